"""What the public may know of a live hook."""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

from torpor import codec
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.types.references import References
from torpor.codec.typing.annotations import convert
from torpor.codec.typing.conversion import name_of
from torpor.model import Hook

H = TypeVar("H")
R = TypeVar("R")
T = TypeVar("T")


class HookInfo(Generic[H]):
    """
    A live hook as it stood when it was looked up.

    Args:
        hook: as the world has it.
        run: handle of its run.
        run_codec: opens its metadata.
        references: what steps and runs in its metadata become.

    Attributes:
        token: what ``resume_hook`` is called with.
        run: the run that made it.
        created_at: when, epoch milliseconds.
    """

    def __init__(self, hook: Hook, run: H, run_codec: RunCodec, references: References) -> None:
        self._metadata = hook.metadata
        self._run_codec = run_codec
        self._references = references
        self.token = hook.token
        self.run = run
        self.created_at = hook.created_at

    def __repr__(self) -> str:
        return f"HookInfo({self.token!r})"

    def of(self, run: R) -> HookInfo[R]:
        """Return the same with another handle of its run."""
        twin: Any = copy.copy(self)
        twin.run = run
        made: HookInfo[R] = twin
        return made

    @property
    def metadata(self) -> Any:
        """
        What its creator says of it, None when nothing.

        Raises:
            KeyMissingError: it is encrypted, and its key is not here.
            SerializationError: it cannot be read here, for instance because a class is not loaded.
        """
        return (
            None if self._metadata is None else codec.loads(self._run_codec.decrypt(self._metadata), self._references)
        )

    def metadata_as(self, kind: type[T]) -> T:
        """
        Return the metadata as a class wants it: what a workflow gave as a plain object as a dataclass, for instance.

        Raises:
            ArgumentError: it does not fit.
            KeyMissingError, SerializationError: as :attr:`metadata`.
        """
        made: T = convert(self.metadata, kind, f"the metadata of hook {self.token!r} is no {name_of(kind)}: metadata")
        return made
