"""
Names of tenants, and of what is theirs: all of it begins with ``@NAME:``, so that the name tells whose it is.

A run of tenant ``acme`` is ``@acme:wrun_…``, a token that its code has chosen ``@acme:approve``, its queue ``@acme``.
"""

from __future__ import annotations

import re
from typing import Final

from torpor.errors import ConfigurationError

MARK: Final = "@"
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
_MADE: Final = re.compile(r"(?=.*[^0-9a-f])[A-Za-z0-9_-]{24}")
_OWNED: Final = re.compile(rf"{MARK}({_NAME.pattern}):")


def checked_tenant(name: object) -> str:
    """
    Return the name of a tenant.

    Raises:
        ConfigurationError: it is none.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r:.60} is no name of a tenant: 1 to 40 of a-z, 0-9, - and _, with a letter or digit at both ends"
        )
    return name


def tenant_of(name: str) -> str:
    """Return the tenant whose run or token has this id or name, ``""`` for nobody's."""
    if not name.startswith(MARK):
        return ""
    found = _OWNED.match(name)
    return found[1] if found else ""


def owned(tenant: str, name: str) -> str:
    """Return the name that something of a tenant has in the world; what has it already stays as it is."""
    return name if not tenant or tenant_of(name) == tenant else f"{MARK}{tenant}:{name}"


def token_of(tenant: str, token: str) -> str:
    """
    Return the token that a hook of a tenant has in the world.

    One that looks like those that guests draw at random stays as it is: nobody guesses whose else it could be.
    """
    return token if _MADE.fullmatch(token) else owned(tenant, token)


def queue_of(tenant: str) -> str:
    """Return the queue of a tenant's runs."""
    return f"{MARK}{tenant}"


def step_queue_of(tenant: str) -> str:
    """Return the queue of a tenant's steps, which is used where these have a rate."""
    return f"{MARK}{tenant}:steps"
