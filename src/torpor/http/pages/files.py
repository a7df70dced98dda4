"""Style sheet and scripts: files of this package, under addresses that change with what is in them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.responses import Response

from torpor.http.problems import UnknownAddressError
from torpor.http.routing import Call, Router

router = Router("pages")

FILES: Final = {
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "vendor/idiomorph.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""What there is: name → media type. What is in ``vendor`` the build has fetched."""

_FOLDER: Final = Path(__file__).parent / "static"
_FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}


@cache
def _content(name: str) -> tuple[bytes, str]:
    """Return a file and what its address says of it."""
    data = (_FOLDER / name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:16]


def file_address(call: Call, name: str) -> str:
    """Return the address of a file."""
    return call.address("static", _content(name)[1], name.rpartition("/")[2])


@router.get("/static/{digest}/{name}", "open", media=("text/css", "text/javascript"))
async def send_file(call: Call) -> Response:
    """Send a file; it is the same for ever."""
    name = call.part("name")
    for each, media in FILES.items():
        if each.rpartition("/")[2] == name:
            data, digest = _content(each)
            if digest == call.part("digest"):
                return Response(data, 200, _FOR_EVER, media)
    raise UnknownAddressError(f"there is no file {name} of this digest; load the page again")
