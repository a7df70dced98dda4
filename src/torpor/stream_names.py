"""
What a run's streams are called where they are stored: as the TypeScript Workflow SDK calls them.

``strm_<run>_user`` is a run's default stream, ``strm_<run>_user_<name>`` a named one, the name in unpadded base64url.
Streams that are called otherwise begin with ``strm_`` too; they are called by that name everywhere.
"""

from __future__ import annotations

import base64
import binascii

from torpor.errors import UsageError

PREFIX = "strm_"
NAME_CHARS_MAX = 256
"""The name of a stream, as its run's author gave it."""


def stored_name(run_id: str, name: str = "") -> str:
    """
    Return what a run's stream is stored under.

    Args:
        run_id: whose stream.
        name: the author's, ``""`` for the default stream; or a stored name, which stays what it is.

    Raises:
        UsageError: it is no text, or too long.
    """
    if not isinstance(name, str):
        raise UsageError(f"the name of a stream is text, not {name!r:.80}")
    if name.startswith(PREFIX):
        return name
    if len(name) > NAME_CHARS_MAX:
        raise UsageError(f"the name of a stream has {len(name)} characters; {NAME_CHARS_MAX} are allowed")
    default = f"{PREFIX}{run_id.removeprefix('wrun_')}_user"
    if not name:
        return default
    return f"{default}_{base64.urlsafe_b64encode(name.encode()).decode().rstrip('=')}"


def given_name(run_id: str, stored: str) -> str:
    """Return what a run's author called a stream, the stored name where it is none of those."""
    default = stored_name(run_id)
    if stored == default:
        return ""
    code = stored.removeprefix(f"{default}_")
    try:
        name = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode()
        return name if stored_name(run_id, name) == stored else stored
    except (binascii.Error, ValueError, UsageError):
        return stored
