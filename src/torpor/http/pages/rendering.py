"""Templates, what they may call, and the headers of a page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from torpor.errors import ConfigurationError, TorporError
from torpor.http.pages import words
from torpor.http.pages.files import file_address
from torpor.http.problems import UnauthorizedError, problem_of
from torpor.http.routing import Call, Router
from torpor.inspection.timestamps import bytes_text, clock_text, iso, span_text, time_text
from torpor.programs.catalogue import short_name

if TYPE_CHECKING:
    from jinja2 import Environment

HTML: Final = "text/html"

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",  # with none at all, a form would not say where it comes from
}

_FILTERS: Final = {
    "bytes": bytes_text,
    "clock": clock_text,
    "clock_time": time_text,
    "iso": iso,
    "short": short_name,
    "span": span_text,
    "visible": words.visible,
    "brief": words.brief,
    "pretty": words.pretty,
    "awaited": words.awaited,
    "ago": words.ago,
}


@cache
def environment() -> Environment:
    """
    Return the templates.

    Raises:
        ConfigurationError: what fills them in is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # who asks for no page needs none
    except ModuleNotFoundError as error:
        raise ConfigurationError("the pages need jinja2: pip install 'torpor[http]'") from error

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(_FILTERS)
    made.globals["query"] = query
    return made


def query(**fields: Any) -> str:
    """Return fields behind a ``?``, those that are empty left out; lists several times."""
    given = {name: value for name, value in fields.items() if value not in (None, "", 0, [])}
    return f"?{urlencode(given, doseq=True)}" if given else ""


def page(call: Call, template: str, status: int = 200, **given: Any) -> Response:
    """Return a page: a template with what it is about."""
    text: str = (
        environment()
        .get_template(template)
        .render(
            address=call.address,
            file=lambda name: file_address(call, name),
            roles=call.grant.roles,
            who=call.grant.who,
            is_whole=call.grant.is_whole,
            prompts=call.service.prompts and "operate" in call.grant.roles,
            now=call.service.client.world.clock.now(),
            world=call.service.client.world.url,
            path=call.request.url.path,
            said=call.request.query_params.get("said", ""),
            **given,
        )
    )
    # A lone surrogate of JavaScript, which `visible` has not seen, must not end the page.
    return Response(text.encode("utf-8", "backslashreplace"), status, _HEADERS, f"{HTML}; charset=utf-8")


def refusing(call: Call, error: TorporError) -> Response:
    """Return the page that tells of an error; who is not known is asked who he is."""
    if isinstance(error, UnauthorizedError) and call.request.method == "GET":
        wanted = call.request.scope["path"]
        behind = call.request.url.query
        return RedirectResponse(call.address("sign-in") + query(next=f"{wanted}?{behind}" if behind else wanted), 303)
    problem = problem_of(error)
    return page(call, "problem.html", problem.status, problem=problem)


def pages(tag: str) -> Router:
    """Return a router whose errors are pages."""
    return Router(tag, refusing)
