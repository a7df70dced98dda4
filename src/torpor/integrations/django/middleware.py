"""Errors of Torpor as answers of Django."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of


class ProblemMiddleware(MiddlewareMixin):
    """Answers errors of :data:`torpor.integrations.answering.ANSWERED` that views raise with problems."""

    def process_exception(self, _request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return a problem, None for what is none of ours."""
        if not isinstance(exception, ANSWERED):
            return None
        assert isinstance(exception, TorporError), "they all are"
        told = problem_of(exception)
        return HttpResponse(told.body, status=told.status, content_type=told.media_type)
