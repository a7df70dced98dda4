"""Small values that pydantic's own code asks for."""

from __future__ import annotations

import datetime as dt
import operator
from typing import Any, Final, Generic, Self, TypeVar, final

from .errors import MODULE

T = TypeVar("T")


@final
class PydanticUndefinedType:
    """The type of what says that there is no value."""

    __module__ = MODULE
    __slots__ = ()

    def __new__(cls) -> Self:
        """Refuse: there is one."""
        raise NotImplementedError('Creating instances of "UndefinedType" is not supported')

    def __repr__(self) -> str:
        return "PydanticUndefined"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def __reduce__(self) -> str:
        return "PydanticUndefined"


PydanticUndefined: Final = object.__new__(PydanticUndefinedType)


@final
class Some(Generic[T]):
    """A value that may be None."""

    __module__ = MODULE
    __slots__ = ("value",)
    __match_args__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Some({self.value!r})"


@final
class ArgsKwargs:
    """The arguments of a call."""

    __module__ = MODULE
    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        self.args, self.kwargs = tuple(args), kwargs or None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArgsKwargs):
            return NotImplemented
        return (self.args, self.kwargs) == (other.args, other.kwargs)

    __hash__ = None  # type: ignore[assignment]  # arguments may be anything

    def __repr__(self) -> str:
        args = ", ".join(map(repr, self.args))
        return f"ArgsKwargs(({args}{',' if len(self.args) == 1 else ''}){f', {self.kwargs!r}' if self.kwargs else ''})"


@final
class TzInfo(dt.tzinfo):
    """A fixed distance from UTC, in seconds, as texts of times have it."""

    __module__ = MODULE
    __slots__ = ("_seconds",)

    _seconds: int

    def __new__(cls, seconds: float = 0.0) -> Self:
        """Return the time zone."""
        if abs(int(seconds)) >= 86_400:
            raise ValueError(
                f"TzInfo offset must be strictly between -86400 and 86400 (24 hours) seconds, got {int(seconds)}"
            )
        zone = super().__new__(cls)
        zone._seconds = int(seconds)
        return zone

    def utcoffset(self, _when: dt.datetime | None) -> dt.timedelta:
        """Return the distance."""
        return dt.timedelta(seconds=self._seconds)

    def tzname(self, _when: dt.datetime | None) -> str:
        """Return it as text."""
        return str(self)

    def dst(self, _when: dt.datetime | None) -> None:
        """Return None: it is not known."""

    def fromutc(self, when: dt.datetime) -> dt.datetime:
        """Return a time of UTC as one of this zone."""
        return when + self.utcoffset(None)

    def __eq__(self, other: object) -> Any:
        return self._compared(other, operator.eq)

    def __lt__(self, other: object) -> Any:
        return self._compared(other, operator.lt)

    def __le__(self, other: object) -> Any:
        return self._compared(other, operator.le)

    def __gt__(self, other: object) -> Any:
        return self._compared(other, operator.gt)

    def __ge__(self, other: object) -> Any:
        return self._compared(other, operator.ge)

    def _compared(self, other: object, compare: Any) -> Any:
        offset = other.utcoffset(None) if isinstance(other, dt.tzinfo) else None
        return NotImplemented if offset is None else compare(self._seconds, round(offset.total_seconds()))

    def __hash__(self) -> int:
        return hash(self._seconds)

    def __repr__(self) -> str:
        return f"TzInfo({self._seconds})"

    def __str__(self) -> str:
        if self._seconds == 0:
            return "UTC"
        minutes, seconds = divmod(abs(self._seconds), 60)
        tail = f":{seconds:02}" if seconds else ""
        return f"{'-' if self._seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}{tail}"

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return TzInfo, (self._seconds,)


UTC: Final = TzInfo(0)
