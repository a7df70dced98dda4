"""What a step is: the function, and how its attempts are made; and what a single call of it may want otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from torpor.codec.types.classes import class_at
from torpor.engine.carried import Carrier, written_elsewhere
from torpor.engine.remote import Remote, elsewhere
from torpor.engine.step_deadlines import NONE, Deadlines
from torpor.errors import FatalError, RetryableError
from torpor.limits import KEY_CHARS_MAX, QUEUE_LIMIT_MAX
from torpor.model.flow import Place
from torpor.retries import RETRIES_DEFAULT, Backoff
from torpor.signatures import signature_text


class StepDefinition(msgspec.Struct, frozen=True):
    """
    A registered step.

    Attributes:
        name: ``step//./orders.py//charge``.
        function: what it runs, ``async def`` or ``def``.
        max_retries: attempts after the first.
        timeout: seconds that one attempt may take, None for no limit.
        heartbeat: seconds that an attempt may be silent, None for no limit.
        deadlines: how long it may wait, and take in all.
        backoff: delays between attempts.
        retry_on: errors after which there is another attempt, None for all.
        never_retry: errors after which there is none, whatever *retry_on* says.
        remote: where another service carries it out, None for here.
        carrier: what carries it out in another language, None for Python.
        elsewhere: its name in a project whose steps no worker of this application carries out, but step workers that
            come by HTTP; ``""`` for a step that is carried out here.
        transaction: True if its attempts and their outcomes are transactions of the world's database, or what begins
            such transactions of the application's: it returns a block whose value is a connection. False otherwise.
        once: no attempt is made again of which nobody knows how it ended.
        final: errors that fail the step as they are, because another attempt would end the same.
        queue: in which its attempts wait for a slot, ``""`` for none.
        key: returns of whom a call is, given its arguments; None for nobody in particular.
        weight: how much of the queue's rate a call takes, or what returns that, given its arguments.
        signature: text of what the function takes, see :mod:`torpor.signatures`.
        is_async: whether its attempts run on the event loop, without a thread.
    """

    name: str
    function: Callable[..., Any]
    max_retries: int = RETRIES_DEFAULT
    timeout: float | None = None
    backoff: Backoff = Backoff()
    retry_on: tuple[type[BaseException], ...] | None = None
    never_retry: tuple[type[BaseException], ...] = ()
    final: tuple[type[Exception], ...] = ()
    queue: str = ""
    key: Callable[..., Any] | None = None
    weight: int | Callable[..., int] = 1
    signature: str = ""
    once: bool = False
    transaction: bool | Callable[[], Any] = False
    remote: Remote | None = None
    carrier: Carrier | None = None
    elsewhere: str = ""
    heartbeat: float | None = None
    deadlines: Deadlines = NONE
    is_async: bool = False

    def __post_init__(self) -> None:
        signature = "" if self.function is written_elsewhere else signature_text(self.function)
        msgspec.structs.force_setattr(self, "signature", signature)
        is_async = inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(self.function)
        msgspec.structs.force_setattr(self, "is_async", is_async or self.remote is not None or self.carrier is not None)

    def retries(self, error: BaseException) -> bool:
        """Tell whether there may be another attempt after this error; a RetryableError asks for one itself."""
        if isinstance(error, RetryableError):
            return True
        return (self.retry_on is None or isinstance(error, self.retry_on)) and not isinstance(error, self.never_retry)

    @property
    def called(self) -> Callable[..., Any]:
        """What an attempt calls: the function, or what asks another service."""
        if self.remote is None:
            return self.function
        return elsewhere(self.name, self.function, self.remote, once=self.once)

    @property
    def own_retries(self) -> int | None:
        """Attempts after the first where they were said here, None where the other language says."""
        return None if self.function is written_elsewhere else self.max_retries

    @property
    def asks(self) -> bool:
        """Whether where a call waits depends on its arguments."""
        return self.key is not None or callable(self.weight)

    def place(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Place:
        """
        Return where a call waits, of a step that has a queue.

        Raises:
            FatalError: the key is too long, or the weight no number of a call.
            Exception: what the functions of its author raise.
        """
        key = "" if self.key is None else str(self.key(*args, **kwargs))
        weight = self.weight(*args, **kwargs) if callable(self.weight) else self.weight
        if len(key) > KEY_CHARS_MAX:
            raise FatalError(
                f"the key of a call of {self.name} has {len(key)} characters; up to {KEY_CHARS_MAX} are allowed"
            )
        if not isinstance(weight, int) or not 0 <= weight <= QUEUE_LIMIT_MAX:
            raise FatalError(
                f"the weight of a call of {self.name} is {weight!r:.100}; 0 to {QUEUE_LIMIT_MAX} are allowed"
            )
        return Place(self.queue, key, weight)

    def for_call(self, options: object) -> StepDefinition:
        """
        Return the step as one call wants it.

        Args:
            options: what stands in the call's input, see :func:`torpor.retries.travelling`; None for nothing.

        Raises:
            FatalError: they are none that a guest would write.
        """
        if options is None:
            return self
        try:
            wanted = msgspec.convert(options, _Wanted)
        except msgspec.ValidationError as error:
            raise FatalError(f"the options of this call of {self.name} are damaged: {error}") from None
        return msgspec.structs.replace(self, **wanted.fields())


_Milliseconds = Annotated[float, Meta(ge=0, le=2**53)]


class _WantedBackoff(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    first_ms: _Milliseconds
    factor: Annotated[float, Meta(ge=0, le=2**53)]
    most_ms: _Milliseconds


class _Wanted(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """
    Options in a step's input. Guests check them too, but workflow code may change its guest.

    Of deadlines the call's turn has made moments when it stored it: :mod:`torpor.engine.step_deadlines`.
    """

    max_retries: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    timeout_ms: Annotated[int, Meta(gt=0, le=2**53)] | UnsetType | None = UNSET
    heartbeat_ms: Annotated[int, Meta(gt=0, le=2**53)] | UnsetType | None = UNSET
    schedule_to_start_ms: Annotated[int, Meta(gt=0, le=2**53)] | UnsetType | None = UNSET
    schedule_to_close_ms: Annotated[int, Meta(gt=0, le=2**53)] | UnsetType | None = UNSET
    backoff: _WantedBackoff | UnsetType = UNSET
    retry_on: list[str] | UnsetType | None = UNSET
    never_retry: list[str] | UnsetType = UNSET

    def fields(self) -> dict[str, Any]:
        """Return the fields of a definition that they change."""
        changed: dict[str, Any] = {}
        if self.max_retries is not UNSET:
            changed["max_retries"] = self.max_retries
        if self.timeout_ms is not UNSET:
            changed["timeout"] = _seconds(self.timeout_ms)
        if self.heartbeat_ms is not UNSET:
            changed["heartbeat"] = _seconds(self.heartbeat_ms)
        if self.backoff is not UNSET:
            wanted = self.backoff
            changed["backoff"] = Backoff(wanted.first_ms / 1000, wanted.factor, wanted.most_ms / 1000)
        if self.retry_on is not UNSET:
            changed["retry_on"] = None if self.retry_on is None else _loaded(self.retry_on)
        if self.never_retry is not UNSET:
            changed["never_retry"] = _loaded(self.never_retry)
        return changed


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


class _Named(type):
    """A class that stands for every class of its name, and for what is derived from them."""

    def __instancecheck__(cls, error: object) -> bool:
        return any(base.__name__ == cls.__name__ for base in type(error).__mro__)


def _loaded(given: list[str]) -> tuple[type[BaseException], ...]:
    """
    Return classes, given by path from Python, where what is not loaded here cannot be raised here either, or by their
    bare names from languages that do not know where a class is.
    """
    found = [class_at(each) if ":" in each else _Named(each, (BaseException,), {}) for each in given]
    return tuple(each for each in found if each is not None and issubclass(each, BaseException))
