"""A link that lets one browser in: for who tries things out on his own machine."""

from __future__ import annotations

import secrets

from starlette.responses import RedirectResponse, Response

from torpor.http.pages.entering import set_cookie
from torpor.http.problems import UnauthorizedError
from torpor.http.routing import Call, Router


class OneTimeLink:
    """
    A link that works once: it gives a browser the token as a cookie, and shows the runs.

    Args:
        token: what is given.

    Attributes:
        router: answers the link.
        path: of the link.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._code: str | None = secrets.token_urlsafe(32)
        self.path = f"/dev/{self._code}"
        self.router = Router("dev")
        self.router.get("/dev/{code}", "open", media=("text/html",))(self._enter)

    async def _enter(self, call: Call) -> Response:
        """Let a browser in that was given a link."""
        code, self._code = self._code, None  # also a wrong one uses it up: nobody tries twice
        if code is None or not secrets.compare_digest(code.encode(), call.part("code").encode()):
            raise UnauthorizedError("this link has worked once, or is none; start the server again for another one")
        response = RedirectResponse(call.address(""), 303)
        set_cookie(call, response, self._token)
        return response
