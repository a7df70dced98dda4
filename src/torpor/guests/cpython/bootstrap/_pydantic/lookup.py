"""Where the values of fields are found: under their names, aliases, and paths into what is there."""

from __future__ import annotations

from typing import Any, Final

from .errors import Line, SchemaError, invalid

NAME: Final = 1
ALIAS: Final = 2


class Path:
    """
    A way to a value.

    Attributes:
        first: the key that it begins with.
        rest: keys and indexes further in.
    """

    __slots__ = ("first", "rest")

    def __init__(self, steps: list[str | int]) -> None:
        if not steps:
            raise SchemaError("Each alias path should have at least one element")
        if not isinstance(steps[0], str):
            raise TypeError("The first item in an alias path should be a string")
        self.first, self.rest = steps[0], steps[1:]

    @property
    def loc(self) -> list[int | str]:
        """The place of an error, the innermost part first."""
        return [*reversed(self.rest), self.first]

    def of_mapping(self, mapping: Any) -> tuple[Any] | None:
        """Return the value in a mapping, in a tuple; None without one."""
        found = mapping.get(self.first, _NOTHING)
        for step in self.rest:
            if found is _NOTHING or isinstance(found, str):
                return None
            try:
                found = found[step]
            except Exception:  # noqa: BLE001  # whatever it raises, there is none
                return None
        return None if found is _NOTHING else (found,)

    def of_object(self, value: Any) -> tuple[Any] | None:
        """
        Return the value in attributes, in a tuple; None without one.

        Raises:
            Invalid: an attribute raises something.
        """
        found = value
        for step in (self.first, *self.rest):
            try:
                if isinstance(step, str) and not isinstance(found, dict):
                    found = getattr(found, step)
                elif isinstance(found, str):
                    return None
                else:
                    found = found[step]
            except (AttributeError, LookupError, TypeError):
                return None
            except Exception as error:  # noqa: BLE001  # whatever a property raises
                words = f"{type(error).__name__}: {error}"
            else:
                continue
            raise invalid("get_attribute_error", value, error=words)
        return (found,)

    def placed(self, line: Line, by_alias: bool, name: str) -> Line:
        """Return a line, inside of the field."""
        line.loc += self.loc if by_alias else [name]
        return line

    def __str__(self) -> str:
        return ".".join(f"'{step}'" if isinstance(step, str) else str(step) for step in (self.first, *self.rest))


_NOTHING: Any = object()


def paths_of(alias: str | list[Any] | None) -> list[Path]:
    """Return the ways that an alias says."""
    if alias is None:
        return []
    if isinstance(alias, str):
        return [Path([alias])]
    if alias and isinstance(alias[0], list):
        return [Path(steps) for steps in alias]
    return [Path(alias)]


class Place:
    """
    Where one field is found.

    Attributes:
        name: the field's.
        by_name, by_alias: the ways to it.
    """

    __slots__ = ("by_alias", "by_name", "name")

    def __init__(self, name: str, alias: Any) -> None:
        self.name, self.by_name, self.by_alias = name, Path([name]), paths_of(alias)

    def paths(self, kinds: int) -> list[Path]:
        """Return the ways to try, in order."""
        if not self.by_alias:
            return [self.by_name]
        found = list(self.by_alias) if kinds & ALIAS else []
        return [*found, self.by_name] if kinds & NAME else found

    def find(self, mapping: Any, kinds: int, attributes: bool = False) -> tuple[Path, Any] | None:
        """Return the way and the value of the field; None without one."""
        if not self.by_alias and not attributes:
            found = self.by_name.of_mapping(mapping)
            return None if found is None else (self.by_name, found[0])
        for path in self.paths(kinds):
            found = path.of_object(mapping) if attributes else path.of_mapping(mapping)
            if found is not None:
                return path, found[0]
        return None

    def missing(self, kinds: int, by_alias: bool) -> list[int | str]:
        """Return the place of the error that it is missing, the innermost part first."""
        return list(self.by_alias[0].loc) if by_alias and kinds & ALIAS and self.by_alias else [self.name]


def kinds_of(by_alias: bool, by_name: bool) -> int:
    """Return which ways are tried."""
    if not by_alias and not by_name:
        raise ValueError("`validate_by_name` and `validate_by_alias` cannot both be set to `False`.")
    return (ALIAS if by_alias else 0) | (NAME if by_name else 0)
