"""Files: there are none inside the VM, and whoever opens one is told to do it in a step."""

from __future__ import annotations

import builtins
import functools
import io
from typing import Any

from .advice import STEP
from .finder import author_place

_open = io.open


@functools.wraps(_open)
def _open_and_advise(file: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return _open(file, *args, **kwargs)
    except OSError as error:
        at = author_place()
        if at is None:  # Python's own search for a file, which may well be absent
            raise
        told = f"{error.strerror or error}: there are no files inside a workflow ({at}); {STEP}"
        raise type(error)(error.errno, told, file) from None


def install() -> None:
    """Let ``open`` and what is built upon it, such as ``Path.read_text``, raise errors with advice."""
    builtins.open = io.open = _open_and_advise
