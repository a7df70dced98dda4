"""From failures inside this package to the errors that callers get."""

from __future__ import annotations

from typing import Any

from .building import Config
from .errors import Invalid, PydanticOmit, PydanticUseDefault, SchemaError, ValidationError


def raised(problem: BaseException, title: Any, mode: str, config: Config) -> BaseException:
    """Return the error to raise for what has ended a validation."""
    if isinstance(problem, PydanticOmit):
        return SchemaError("Uncaught Omit error, please check your usage of `default` validators.")
    if isinstance(problem, PydanticUseDefault):
        return SchemaError(
            "Uncaught `PydanticUseDefault` exception: the error was raised in a field validator and no default value "
            "is available for that field."
        )
    assert isinstance(problem, Invalid), "nothing else ends one"
    error = ValidationError(title, problem.lines, mode, bool(config.get("hide_input_in_errors")))
    if config.get("validation_error_cause"):
        _add_cause(error)
    return error


def _add_cause(error: ValidationError) -> None:
    causes = []
    for line in error.lines:
        cause = (line.context or {}).get("error")
        if line.type in ("value_error", "assertion_error") and isinstance(cause, BaseException):
            place = ".".join(map(str, reversed(line.loc))) or "root"
            cause.add_note(f"\nPydantic: cause of loc: {place}")
            causes.append(cause)
    if causes:
        error.__cause__ = BaseExceptionGroup("Pydantic User Code Exceptions", causes)
