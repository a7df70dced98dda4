"""Hooks: places where the outside world hands payloads to a run."""

from __future__ import annotations

import secrets
from asyncio import Future
from collections.abc import AsyncIterator, Generator, Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from torpor.codec.guest import text_of
from torpor.codec.types.classes import class_path, is_findable
from torpor.codec.typing.conversion import name_of
from torpor.durations import Duration, milliseconds
from torpor.errors import HookConflictError, HookDisposedError, SerializationError, UsageError
from torpor.limits import HOOK_RETENTION_MS_MAX, TOKEN_CHARS_MAX

from .arrivals import Arrivals, check_kind, fitting
from .loop import loop
from .run import Delivery, run
from .unawaited import hook_made, hook_used

if TYPE_CHECKING:
    from .children import RunHandle

_TOKEN_BYTES = 18  # 144 random bits, 24 url-safe characters


class Hook:
    """
    A live hook. Await it for the next payload, iterate it for all; payloads keep their order of arrival.

    After :meth:`dispose`, or at the end of ``async with``, its token is free and iteration ends; an await that is
    pending or made later raises HookDisposedError, because there will never be a payload. When the token belongs to
    another hook, awaiting and iterating raise HookConflictError.

    Attributes:
        token: what ``resume_hook`` is called with.
        op: its number among the run's ops.
    """

    def __init__(
        self,
        token: str,
        metadata: Any = None,
        *,
        kind: Any = None,
        retention_ms: int = 0,
        watch: str = "",
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._token = token
        self._kind = kind
        self._state = "asked"  # → live → disposed, or → conflict
        self._owner: str | None = None  # of the token, in a conflict
        self._is_answered = False
        self._answer_takers: list[Future[None]] = []
        self._arrivals = Arrivals()
        self._watch = watch
        said: dict[str, Any] = dict(fields)
        if metadata is not None:
            said["input"] = _encoded(token, metadata)
        if watch:
            said["watch"] = watch
        if retention_ms:
            said["retention_ms"] = retention_ms
        if isinstance(kind, type) and is_findable(kind):
            said["takes"] = class_path(kind)
        self.op = run.emit("hook", self, name=token, **said)

    @property
    def token(self) -> str:
        hook_used(self.op)
        return self._token

    def __repr__(self) -> str:
        return f"<Hook {self._token!r} {self._state}>"

    def __await__(self) -> Generator[Any, None, Any]:
        hook_used(self.op)
        return self._next().__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        hook_used(self.op)
        return _Payloads(self)

    async def __aenter__(self) -> Self:
        hook_used(self.op)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.dispose()

    async def conflict(self) -> RunHandle | None:
        """Return None when the token is this hook's, or a handle of the run that owns it."""
        hook_used(self.op)
        if not self._is_answered:
            answer: Future[None] = loop.create_future()
            self._answer_takers.append(answer)
            run.answers_awaited += 1
            try:
                await answer
            finally:
                run.answers_awaited -= 1
        from .children import RunHandle  # noqa: PLC0415  # its results come through hooks

        return None if self._owner is None else RunHandle(self._owner)

    def dispose(self) -> None:
        """Free the token. Payloads that nothing has taken are dropped. May be called twice."""
        hook_used(self.op)
        if self._state in ("disposed", "conflict"):
            return
        self._state = "disposed"
        self._arrivals.drop()
        run.emit("hook_dispose", None, target=self.op)
        if self._is_answered:
            run.forget(self.op)
        self._arrivals.dismiss()

    def be_called(self, token: str) -> None:
        """Have another token, because the run is a fork."""
        self._token = token

    def receive(self, delivery: Delivery) -> None:
        if delivery["type"] != "hook_received":
            self._answered(delivery)
        elif self._state != "disposed":
            self._arrivals.put(delivery["value"])

    def wakes(self, future: Future[Any]) -> bool:
        return future in self._arrivals or future in self._answer_takers

    def describe(self) -> str:
        return f"the end of run {self._watch}" if self._watch else f"hook {self._token!r}"

    async def _next(self) -> Any:
        text = await self.take()
        if text is None:
            raise HookDisposedError(self._token)
        return self.payload(text)

    def payload(self, text: str) -> Any:
        """
        Return what somebody has sent, as the hook's class wants it.

        Raises:
            ArgumentError: it does not fit.
        """
        kind = self._kind
        return fitting(text, kind, "" if kind is None else f"hook {self._token!r} takes {name_of(kind)}: payload")

    async def take(self) -> str | None:
        """Wait for the next payload and return its text, or None when there will never be one."""
        run.check()
        if self._state == "conflict":
            raise self._conflict_error()
        return None if self._state == "disposed" else await self._arrivals.take()

    def _answered(self, delivery: Delivery) -> None:
        self._is_answered = True
        is_conflict = delivery["type"] == "hook_conflict"
        if is_conflict:
            self._owner = delivery.get("owner") or ""
        if self._state == "asked":
            self._state = "conflict" if is_conflict else "live"
            if is_conflict:
                self._arrivals.dismiss(self._conflict_error())
        if self._state != "live":
            run.forget(self.op)
        answers, self._answer_takers = self._answer_takers, []
        for answer in answers:
            if not answer.done():
                answer.set_result(None)

    def _conflict_error(self) -> HookConflictError:
        return HookConflictError(self._token, self._owner or "")


class _Payloads:
    """
    An iterator over a hook's payloads.

    It has no state but the hook's, so that nothing that happens to one ``anext`` concerns the next one: cancelled,
    timed out or failed, it leaves its payload to whoever asks next. Several may be pending at once.
    """

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        text = None if self._is_closed else await self._hook.take()
        if text is None:
            raise StopAsyncIteration
        return self._hook.payload(text)

    async def aclose(self) -> None:
        """End the iteration; the hook stays alive."""
        self._is_closed = True


def hook(
    kind: Any = None, /, *, token: str | None = None, metadata: Any = None, min_retention: Duration | None = None
) -> Hook:
    """
    Create a hook.

    Args:
        kind: what its payloads are to be, such as a dataclass or a pydantic model; or the token.
        token: what the outside world calls it by, 1 to 256 characters; without it an unguessable one is made.
        metadata: stored beside the hook for whoever looks it up.
        min_retention: how long the token stays this run's once the hook is gone, up to 30 days: seconds, text such as
            ``"1h"``, or a timedelta.

    Raises:
        UsageError: the token is no string of that length, or *min_retention* no such duration.
        SerializationError: the metadata cannot be stored.
    """
    if isinstance(kind, str):
        if token is not None:
            raise UsageError("hook: the token is given twice; the first argument may be what the payloads are to be")
        kind, token = None, kind
    check_kind("hook", kind)
    token = checked_token("hook", token)
    made = Hook(token, metadata, kind=kind, retention_ms=_retention_ms(min_retention))
    hook_made(made.op, token)
    return made


def checked_token(what: str, token: str | None) -> str:
    """
    Return the token that *what* was given; without one an unguessable one is made.

    Raises:
        UsageError: it is no string of the right length.
    """
    if token is None:
        return secrets.token_urlsafe(_TOKEN_BYTES)
    if not isinstance(token, str):
        raise UsageError(f"{what}: the token must be a string, not {type(token).__name__}")
    if not 1 <= len(token) <= TOKEN_CHARS_MAX:
        raise UsageError(f"{what}: the token has {len(token)} characters; 1 to {TOKEN_CHARS_MAX} are allowed")
    return token


def watch(run_id: str) -> Hook:
    """Return a hook that receives one payload when another run has ended."""
    return Hook(secrets.token_urlsafe(_TOKEN_BYTES), watch=run_id)


def _encoded(token: str, metadata: object) -> str:
    try:
        return text_of(metadata)
    except SerializationError as cause:
        raise SerializationError(f"hook: the metadata of hook {token!r} cannot be stored: {cause}") from cause


def _retention_ms(given: Duration | None) -> int:
    if given is None:
        return 0
    try:
        ms = milliseconds(given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"hook: min_retention: {error}") from None
    if ms > HOOK_RETENTION_MS_MAX:
        raise UsageError(f"hook: min_retention is {given!r}; a token stays reserved for 30 days at most")
    return ms
