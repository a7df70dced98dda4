"""Addresses, which are not read inside workflows yet."""

from __future__ import annotations

from typing import Any, Self

from .building import refuse
from .errors import MODULE


class Url:
    """An address."""

    __module__ = MODULE

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Refuse: nothing here reads one."""
        refuse("an address")


class MultiHostUrl:
    """An address with several hosts."""

    __module__ = MODULE

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Refuse: nothing here reads one."""
        refuse("an address")
