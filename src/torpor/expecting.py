"""Options have the types that their annotations say: what has not is told at once, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torpor.errors import ConfigurationError

T = TypeVar("T")


def expect(option: str, value: T, kinds: type | tuple[type, ...], wanted: str) -> T:
    """
    Return the value of an option, None included.

    Args:
        option: its name.
        value: as it was given.
        kinds: the classes that it may have; a bool is no number.
        wanted: what to give, for the message, such as ``"a text"``.

    Raises:
        ConfigurationError: it is none of these.
    """
    classes = kinds if isinstance(kinds, tuple) else (kinds,)
    if value is None or (isinstance(value, classes) and (not isinstance(value, bool) or bool in classes)):
        return value
    raise ConfigurationError(f"{option}={value!r:.100} cannot be; give {wanted}")


def expect_text(option: str, value: Any) -> Any:
    """
    Return the value of an option that is a text, or None.

    Raises:
        ConfigurationError: it is neither.
    """
    return expect(option, value, str, "a text")


def expect_texts(option: str, value: Sequence[str]) -> tuple[str, ...]:
    """
    Return the value of an option that is a sequence of texts. One text is none, though it has characters.

    Raises:
        ConfigurationError: it is no such sequence.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise ConfigurationError(f"{option}={value!r:.100} cannot be; give a list of texts")
    return tuple(value)


def expect_callable(option: str, value: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """
    Return the value of an option that is a function, or None.

    Raises:
        ConfigurationError: it is neither.
    """
    if value is None or callable(value):
        return value
    raise ConfigurationError(f"{option}={value!r:.100} cannot be; give a function")


def expect_with(option: str, value: T, method: str, wanted: str) -> T:
    """
    Return the value of an option that has a method, None included: of a protocol more is seldom known.

    Raises:
        ConfigurationError: it has none of that name.
    """
    if value is None or (callable(getattr(value, method, None)) and not isinstance(value, type)):
        return value
    raise ConfigurationError(f"{option}={value!r:.100} cannot be; give {wanted}")
