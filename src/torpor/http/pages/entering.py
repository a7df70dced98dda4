"""Who comes in: a browser gives its token once, and keeps it as a cookie that no script reads."""

from __future__ import annotations

import msgspec
from starlette.responses import RedirectResponse, Response

from torpor.http.auth import COOKIE, is_own_page
from torpor.http.pages.acting import fields
from torpor.http.pages.rendering import HTML, page, pages
from torpor.http.routing import Call, audit

router = pages("pages")


class Whither(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody wants to go."""

    next: str = ""


@router.get("/sign-in", "open", media=(HTML,))
async def ask(call: Call, query: Whither) -> Response:
    """Ask for a token."""
    return page(call, "sign_in.html", next=query.next, refused=False)


@router.post("/sign-in", "open", media=(HTML,))
async def enter(call: Call) -> Response:
    """Take a token; from a page of this server only, so that nobody is signed in as somebody else."""
    given = await fields(call)
    text, path = given.get("token", "").strip(), given.get("next", "")
    if not is_own_page(call.request) or await call.guard.token(text) is None:
        audit.warning("nobody: POST /sign-in: refused")
        return page(call, "sign_in.html", 401, next=path, refused=True)
    response = RedirectResponse(call.address("") if not _is_here(path) else call.address("") + path[1:], 303)
    set_cookie(call, response, text)
    return response


@router.post("/sign-out", "read", media=(HTML,))
async def leave(call: Call) -> Response:
    """Forget the token."""
    response = RedirectResponse(call.address("sign-in"), 303)
    response.delete_cookie(COOKIE, path=call.address("") or "/")
    return response


def set_cookie(call: Call, response: Response, token: str) -> None:
    """Give a browser its token."""
    secure = call.request.url.scheme == "https"
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path=call.address("") or "/")


def _is_here(path: str) -> bool:
    """Return whether a path is one of this server: ``//elsewhere`` is a host."""
    return path.startswith("/") and not path.startswith(("//", "/\\"))
