"""Hooks with a class: dataclasses and pydantic models that the outside world sends."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Generator
from datetime import UTC, datetime
from typing import Any, Generic, Self, TypeVar

from torpor.compat.vercel.runs import Run
from torpor.compat.vercel.side import found_hook, make_hook, resume_hook
from torpor.errors import UsageError

T = TypeVar("T")


class HookEvent(Generic[T]):
    """
    A live hook of workflow code: await it for the next payload, iterate it for all.

    Args:
        inner: Torpor's hook.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._payloads: AsyncIterator[T] | None = None

    @property
    def token(self) -> str:
        """What the outside world resumes it by."""
        token: str = self._inner.token
        return token

    def __await__(self) -> Generator[Any, None, T]:
        return self._inner.__await__()  # type: ignore[no-any-return]  # Torpor's hook has the class of T

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._payloads is None:
            self._payloads = self._inner.__aiter__()
        return await self._payloads.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, _error: object, _trace: object) -> None:
        self.dispose()

    async def get_conflict(self) -> Run[Any] | None:
        """Return the run that has this hook's token already, None when the token is this hook's."""
        owner = await self._inner.conflict()
        return None if owner is None else Run(owner.id)

    def dispose(self) -> None:
        """Free the token. May be called twice."""
        self._inner.dispose()


@dataclasses.dataclass(frozen=True)
class Hook:
    """
    A live hook as it was looked up.

    Attributes:
        token: what it is resumed by.
        hook_id: its own id.
        run_id: whose hook it is.
        created_at: when, aware.
        metadata: what its creator says of it.
    """

    token: str
    hook_id: str
    run_id: str
    created_at: datetime
    metadata: Any = None


class BaseHook:
    """What a class of payloads derives from: a dataclass, or a pydantic model."""

    @classmethod
    def wait(cls, *, token: str | None = None, metadata: Any = None) -> HookEvent[Self]:
        """
        Create a hook that receives payloads of this class. For workflow code.

        Args:
            token: what the outside world calls it by; without it an unguessable one is made.
            metadata: kept beside the hook for whoever looks it up.

        Raises:
            OutsideWorkflowError: called outside of a run.
        """
        return HookEvent(make_hook(cls, token=token, metadata=metadata))

    async def resume(self, token_or_hook: str | Hook, **options: Any) -> Hook:
        """
        Deliver this payload to a live hook, and return that.

        Args:
            token_or_hook: its token, or what :func:`get_hook_by_token` has returned.
            options: for pydantic's ``model_dump``, or for ``dataclasses.asdict``.

        Raises:
            HookNotFoundError: no live hook has this token.
            NotInWorkflowError: called in workflow code.
            TypeError: the class is neither a dataclass nor a pydantic model.
        """
        if callable(dump := getattr(self, "model_dump", None)):
            payload = dump(**{"mode": "python", **options})
        elif dataclasses.is_dataclass(self):
            payload = dataclasses.asdict(self, **options)
        else:
            raise TypeError("resume takes a dataclass or a pydantic model")
        hook = token_or_hook if isinstance(token_or_hook, Hook) else await get_hook_by_token(token_or_hook)
        await resume_hook(hook.token, payload)
        return hook


async def get_hook_by_token(token: str) -> Hook:
    """
    Look a live hook up.

    Raises:
        HookNotFoundError: no live hook has this token.
        NotInWorkflowError: called in workflow code.
    """
    if not isinstance(token, str):
        raise UsageError(f"a hook is looked up by its token, not by {token!r:.100}")
    hook_id, found = await found_hook(token)
    at = datetime.fromtimestamp(found.created_at / 1000, UTC)
    return Hook(found.token, hook_id, found.run.id, at, found.metadata)
