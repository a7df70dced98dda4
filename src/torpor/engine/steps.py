"""
One attempt of a step: decode the arguments, call the function, and tell the outcome as an event.

Nothing that a step's function does raises out of :meth:`Steps.attempt`, except cancellation of the attempt itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol

from torpor.clock import Clock
from torpor.codec import bare, loads, unpack_devalue
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.large import in_thread_if, is_large_payload, is_large_value
from torpor.codec.types.references import References, reviving
from torpor.codec.typing.annotations import convert_arguments
from torpor.engine.attempt_streams import AttemptStreams
from torpor.engine.attempts import Attempt
from torpor.engine.carried import Carried, CarriedError, CarriedInput, carry
from torpor.engine.failpoints import Failpoint
from torpor.engine.heartbeats import Heartbeats, KeepProgress
from torpor.engine.metadata import StepMetadata, WorkflowMetadata, running
from torpor.engine.observer import AttemptBegan, AttemptEnded, Observer, ignore
from torpor.engine.step_deadlines import NONE, Deadlines
from torpor.engine.step_definition import StepDefinition
from torpor.engine.step_functions import as_called, on_object
from torpor.engine.stream_steps import is_generator, stream_values, streaming
from torpor.engine.streams import Streams
from torpor.engine.tenancy import confined
from torpor.engine.transactional import Committed, beginning, in_thread, on_loop
from torpor.engine.untold import untold
from torpor.errors import (
    AcceptedError,
    ArgumentError,
    DamagedError,
    DecryptionError,
    FatalError,
    HeartbeatTimeoutError,
    HostError,
    KeyMissingError,
    LimitExceededError,
    NotAllowedError,
    OutsideWorkflowError,
    RetryableError,
    ScheduleToCloseTimeoutError,
    SerializationError,
    StepError,
    UnknownOutcomeError,
)
from torpor.limits import REDELIVERIES_MAX
from torpor.model import Event, Finished, StepOutcome
from torpor.model.flow import Place
from torpor.thread_start import starting_thread
from torpor.world import World

Call = Callable[[], Any]

_Outcome = tuple[Any, BaseException | None]
"""What a call returned, or what it raised in a thread: a value, as neither futures nor coroutines let all errors by."""

_HOPELESS = (FatalError, SerializationError, LimitExceededError, OutsideWorkflowError)
# Another worker may have what lacks here, and somebody may mend what is damaged, however long that takes.
_ELSEWHERE = (KeyMissingError, HostError, DamagedError)


class _NoArgumentsError(Exception):
    """What stands where arguments should has none."""


class StepLookup(Protocol):
    """Where steps are found by name."""

    def step_definition(self, name: str) -> StepDefinition | None: ...

    def allows(self, name: str) -> bool:
        """Return whether workflow code may call the step with this full name although its program does not name it."""
        ...

    def claimable_steps(self) -> list[str]:
        """Return the full names of all steps that tasks may be of, old names and built-in ones included."""
        ...

    @property
    def references(self) -> References:
        """What steps, workflows and runs among a step's arguments become."""
        ...


class _Thread:
    """A place in the thread pool, free again once the step in it has ended, even after its attempt was given up."""

    def __init__(self, pool: ThreadPoolExecutor, free: asyncio.Semaphore) -> None:
        self._pool = pool
        self._free = free
        self._work: asyncio.Future[_Outcome] | None = None

    async def run(self, call: Call) -> _Outcome:
        """
        Make the call in the thread, with the context of this moment.

        Raises:
            HostError: no thread can be started.
        """
        context = contextvars.copy_context()
        refused = False

        def work() -> _Outcome:
            # The pool keeps work for which it could start no thread, and would do it when it can.
            return (None, None) if refused else _caught(call)

        try:
            with starting_thread("starting a thread for a step"):
                self._work = asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        except HostError:
            refused = True
            raise
        return await asyncio.shield(self._work)

    async def value(self, call: Call) -> Any:
        """Make the call, and return what it returns or raise what it raises."""
        value, error = await self.run(call)
        if error is not None:
            raise error
        return value

    def give_back(self) -> None:
        """Free the place as soon as the thread is done."""
        if self._work is None or self._work.done():
            self._free.release()
        else:
            self._work.add_done_callback(lambda _: self._free.release())


def _place(definition: StepDefinition, call: Call | None) -> Place:
    """Return where a call waits; see :meth:`StepDefinition.place`."""
    if isinstance(call, functools.partial):
        return definition.place(call.args, call.keywords)
    return definition.place((), {})


async def _called(call: Call, thread: _Thread | None, streams: AttemptStreams) -> _Outcome:
    value, error = (call(), None) if thread is None else await thread.run(call)
    if inspect.isawaitable(value):
        value = await value
    if is_generator(value):
        value = await stream_values(streams, value, None if thread is None else thread.value)
    return value, error


def _caught(call: Call) -> _Outcome:
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001  # it is raised where the attempt waits
        return None, error


class Steps:
    """
    Makes attempts.

    Args:
        registry: where the functions are.
        clock: tells when an attempt ended.
        streams: of the world that its runs are in.
        keep_progress: stores what attempts tell of their progress.
        threads: how many ``def`` steps may run at once.
        url: address of this deployment's HTTP front door, for the workflow's metadata.
        observe: is told each attempt.
        world: has the transactions that steps are in; None where there are none.
    """

    def __init__(
        self,
        registry: StepLookup,
        clock: Clock,
        streams: Streams,
        keep_progress: KeepProgress,
        *,
        threads: int = 32,
        url: str = "",
        observe: Observer = ignore,
        world: World | None = None,
    ) -> None:
        self._observe = observe
        self._world = world
        self._finished: dict[tuple[str, int], Finished] = {}
        self._registry = registry
        self._clock = clock
        self._streams = streams
        self._keep_progress = keep_progress
        self._url = url
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="torpor-step")
        self._free_threads = asyncio.Semaphore(threads)
        self._spent: dict[tuple[str, int], int] = {}

    def is_once(self, name: str) -> bool:
        """Return whether attempts of a step must not be made again when nobody knows how they ended."""
        definition = self._registry.step_definition(name)
        return definition is not None and definition.once

    def is_apart(self, name: str) -> bool:
        """Return whether a step is always a task of its own, because its attempts store their outcomes."""
        definition = self._registry.step_definition(name)
        return definition is not None and bool(definition.transaction)

    def finished(self, attempt: Attempt) -> Finished | None:
        """Return, once, what an attempt that has ended has stored of its outcome itself, None for nothing."""
        return self._finished.pop((attempt.step_id, attempt.attempt), None)

    def deadlines_of(self, name: str) -> Deadlines:
        """Return by when a step must begin and end; one that is not here may take as long as it likes."""
        definition = self._registry.step_definition(name)
        return NONE if definition is None else definition.deadlines

    def why_not(self, attempt: Attempt) -> str:
        """
        Return why an attempt is for another worker, ``""`` when it is to be made here.

        This worker may lack the step, or have one that does not take the arguments, as an older or newer version of the
        application may. Where the program that passes them knows the step as it is here, they are a mistake in it,
        and the attempt tells.
        """
        definition = self._registry.step_definition(attempt.name)
        if definition is None:
            return f"it has no {attempt.name}"
        if definition.signature == attempt.signature:
            return ""
        try:
            self._call_of(definition, attempt.run_codec.decrypt(attempt.input), attempt.run_id)
        except ArgumentError as error:
            known = attempt.signature or "something else, which it does not say"
            return f"{error}; here the step is {definition.signature}, the run's program takes it for {known}"
        except Exception:  # noqa: BLE001  # what else is wrong with the arguments, the attempt tells
            return ""
        return ""

    def place_of(self, attempt: Attempt) -> Place | None:
        """
        Return where an attempt waits for a slot, None for one that needs none.

        What is wrong with a key or a weight, the attempt tells.
        """
        definition = self._registry.step_definition(attempt.name)
        if definition is None or not definition.queue:
            return None
        try:
            if not definition.asks:
                return _place(definition, None)
            envelope = attempt.run_codec.decrypt(attempt.input)
            return _place(definition, self._call_of(definition, envelope, attempt.run_id)[1])
        except Exception:  # noqa: BLE001  # of the author's functions, or of arguments
            return Place(definition.queue)

    def spent(self, attempt: Attempt) -> int:
        """Return how much more of its queue's rate an attempt that has ended took than was known before it."""
        return self._spent.pop((attempt.step_id, attempt.attempt), 0)

    async def attempt(self, attempt: Attempt) -> Event:
        """
        Make one attempt and return ``step_completed``, ``step_failed`` or ``step_retrying``.

        A key that is missing here, of a run that the step asks about for instance, or what else this host lacks, never
        fails it for good.

        Raises:
            CancelledError: the attempt itself was cancelled; whatever else happens in a step is its outcome.
            Exception: something of ours failed, or of what the author gave beside the function; see :meth:`untold`.
        """
        definition = self._registry.step_definition(attempt.name)
        assert definition is not None, "who makes an attempt has asked why_not"
        about = attempt.run_id, attempt.step_id, attempt.name, attempt.attempt
        self._observe(AttemptBegan(*about))
        streams = self._streams.attempt(
            attempt.run_id, attempt.run_codec, attempt.step_id, attempt.attempt, attempt.name
        )
        beats = Heartbeats(attempt, self._keep_progress, self._clock)
        try:
            if attempt.attempt - attempt.failures > REDELIVERIES_MAX:
                raise FatalError(
                    f"step {attempt.name} was begun {attempt.attempt - 1} times and no worker lived to tell the "
                    f"outcome; it probably kills its process"
                )
            definition, call = await self._prepared(definition, attempt)
            place = _place(definition, call) if definition.queue else None
            if definition.transaction:
                streams.refuse(f"step {attempt.name} is in a transaction, and what a stream gets is in none")
            result, error = await self._call(definition, attempt, call, streams, beats, place)
            if error is not None:
                raise error
            if isinstance(result, Committed):
                self._finished[attempt.step_id, attempt.attempt] = result.finished
                await beats.finish(failed=False)
                self._observe(AttemptEnded(*about, "completed"))
                return result.event
            await streams.finish()  # what it wrote is stored before its outcome is
            await beats.finish(failed=False)
            payload = await self._payload(attempt, result)
        except BaseException as error:  # GeneratorExit too: of a coroutine that is closed, Python drops what it returns
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                self._observe(AttemptEnded(*about, "cancelled"))
                raise
            error.__traceback__ = _from_step_on(definition.function, error.__traceback__)
            await streams.finish_failed()
            await beats.finish(failed=True)
            return self._failure(definition, attempt, error)
        finally:
            streams.end()
        self._observe(AttemptEnded(*about, "completed"))
        return self._event("step_completed", attempt, payload=payload)

    async def _payload(self, attempt: Attempt, result: Any) -> bytes:
        """Return the envelope of what an attempt has returned."""
        if isinstance(result, Carried):
            return attempt.run_codec.pack_devalue(result.text)
        what = f"the result of step {attempt.name}"
        return await in_thread_if(is_large_value(result), attempt.run_codec.dumps, result, what)

    async def untold(self, attempt: Attempt, problem: Exception) -> Event:
        """Return the outcome of an attempt in which something else than the step failed; see :func:`untold`."""
        definition = self._registry.step_definition(attempt.name)
        return await untold(definition, attempt, problem, self._clock, self._observe)

    def shutdown(self) -> None:
        """Let threads go; attempts that still run in them are left to end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _prepared(self, definition: StepDefinition, attempt: Attempt) -> tuple[StepDefinition, Call]:
        try:
            envelope = attempt.run_codec.decrypt(attempt.input)
            call_of = functools.partial(self._call_of, failures=attempt.failures)
            return await in_thread_if(is_large_payload(envelope), call_of, definition, envelope, attempt.run_id)
        except (ArgumentError, NotAllowedError) as error:
            raise FatalError(str(error)) from None  # no retry will change it
        except (_NoArgumentsError, DecryptionError) as error:
            what = f"step {attempt.step_id}"
            raise DamagedError(what, f"its arguments cannot be read: {error}", run_id=attempt.run_id) from error

    async def _call(
        self,
        definition: StepDefinition,
        attempt: Attempt,
        call: Call,
        streams: AttemptStreams,
        beats: Heartbeats,
        place: Place | None,
    ) -> _Outcome:
        if definition.is_async:
            return await self._within_time(definition, attempt, call, None, streams, beats, place)
        # The wait for a thread is not the step's time.
        await self._free_threads.acquire()
        thread = _Thread(self._threads, self._free_threads)
        try:
            return await self._within_time(definition, attempt, call, thread, streams, beats, place)
        finally:
            thread.give_back()

    def _call_of(
        self, definition: StepDefinition, envelope: bytes, run_id: str, failures: int = 0
    ) -> tuple[StepDefinition, Call]:
        """
        Return a step as the call wants it, and the call, with arguments that are what the step's annotations say.

        Raises:
            ArgumentError: the step does not take these arguments.
            FatalError: it is called on a class that it does not belong to, or its options are damaged.
            SerializationError, KeyMissingError: the arguments cannot be read here, for instance by lack of a class.
            _NoArgumentsError: nobody could read them.
        """
        if definition.carrier is not None:
            carried = CarriedInput(unpack_devalue(envelope), failures, definition.own_retries)
            return definition, functools.partial(carry, definition.carrier, carried)
        given = self._given(envelope, run_id)
        receiver = given.get("thisVal")
        function = as_called(definition.function, receiver)
        args, kwargs = on_object(definition.function, receiver, given["args"]), given.get("kwargs", {})
        args, kwargs = convert_arguments(function, args, kwargs, f"step {definition.name}")
        called = function if definition.remote is None else definition.called
        return definition.for_call(given.get("options")), functools.partial(called, *args, **kwargs)

    def _given(self, envelope: bytes, run_id: str) -> dict[str, Any]:
        try:
            with reviving(confined(self._registry.references, run_id)):
                given = loads(envelope)
        except SerializationError as error:
            _check_readable(envelope, error)
            raise
        if not (
            isinstance(given, dict)
            and isinstance(given.get("args"), list)
            and isinstance(given.get("kwargs", {}), dict)
        ):
            raise _NoArgumentsError(f"they are a {type(given).__name__}, and no arguments")
        return given

    async def _within_time(
        self,
        definition: StepDefinition,
        attempt: Attempt,
        call: Call,
        thread: _Thread | None,
        streams: AttemptStreams,
        beats: Heartbeats,
        place: Place | None,
    ) -> _Outcome:
        step = StepMetadata(
            step_id=attempt.step_id,
            name=attempt.name,
            run_id=attempt.run_id,
            attempt=attempt.attempt,
            started_at=self._clock.now(),
            beats=beats,
        )
        created_at = datetime.fromtimestamp(attempt.run_created_at / 1000, UTC)
        workflow = WorkflowMetadata(attempt.run_id, attempt.workflow, created_at, self._url)
        try:
            with running(step, workflow), streaming(self._streams, streams):
                if definition.transaction:
                    carried = self._in_transaction(definition, attempt, call, thread, step, place)
                    return await self._limited(definition, attempt, carried, beats)
                if definition.timeout is None and definition.heartbeat is None and not attempt.close_by:
                    return await _called(call, thread, streams)
                called = functools.partial(_called, call, thread, streams)
                return await self._limited(definition, attempt, called, beats)
        finally:
            if place is not None and step.weight is not None:  # what the attempt said that it weighs
                self._spent[attempt.step_id, attempt.attempt] = step.weight - place.weight

    def _in_transaction(
        self,
        definition: StepDefinition,
        attempt: Attempt,
        call: Call,
        thread: _Thread | None,
        step: StepMetadata,
        place: Place | None,
    ) -> Callable[[], Awaitable[_Outcome]]:
        """Return what makes an attempt whose outcome is part of its transaction, and returns that as its value."""
        assert self._world is not None, "a worker without transactions does not start"
        assert attempt.claim is not None, "such a step is a task"
        world, claim = self._world, attempt.claim

        async def record(connection: object, result: Any) -> Committed:
            if step.cancelled:
                raise StepError(f"step {attempt.name} was given up before it returned")
            what = f"the result of step {attempt.name}"
            payload = await in_thread_if(is_large_value(result), attempt.run_codec.dumps, result, what)
            event = self._event("step_completed", attempt, payload=payload)
            spent = 0 if place is None or step.weight is None else step.weight - place.weight
            outcome = StepOutcome(
                attempt.run_id, attempt.step_id, claim.worker_id, claim.epoch, event, claim.queue, spent
            )
            self._observe(Failpoint.BEFORE_STEP_OUTCOME)
            return Committed(event, await (await world.within(connection)).finish_step(outcome))

        if thread is None:
            return lambda: on_loop(beginning(definition.transaction, world.transaction), call, step, record)
        begin = beginning(definition.transaction, world.transaction_in_thread)
        loop = asyncio.get_running_loop()
        return lambda: thread.run(lambda: in_thread(begin, call, step, record, loop))

    async def _limited(
        self, definition: StepDefinition, attempt: Attempt, called: Callable[[], Awaitable[_Outcome]], beats: Heartbeats
    ) -> _Outcome:
        """Return what an attempt comes to that has a timeout, a deadline, or must be heard of."""
        limit = asyncio.timeout(definition.timeout)
        try:
            async with self._until_close(definition, attempt), limit, beats.watched(definition.heartbeat):
                return await called()
        except HeartbeatTimeoutError as error:
            if definition.once:
                raise UnknownOutcomeError(str(error)) from error
            raise
        except TimeoutError as error:
            if not limit.expired():
                raise
            told = (
                f"step {attempt.name} took longer than its timeout of {definition.timeout:g} s "
                f"(attempt {attempt.attempt})"
            )
            raise (UnknownOutcomeError if definition.once else TimeoutError)(told) from error

    @asynccontextmanager
    async def _until_close(self, definition: StepDefinition, attempt: Attempt) -> AsyncIterator[None]:
        """
        End what runs in the block when the time of the step is over, with all of its attempts.

        Raises:
            ScheduleToCloseTimeoutError: it is over; UnknownOutcomeError of a step that must not happen twice.
        """
        if not attempt.close_by:
            yield
            return
        limit = asyncio.timeout((attempt.close_by - self._clock.now()) / 1000)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            told = f"step {attempt.name} was not done within its schedule_to_close (attempt {attempt.attempt})"
            raise (UnknownOutcomeError if definition.once else ScheduleToCloseTimeoutError)(told) from error

    def _failure(self, definition: StepDefinition, attempt: Attempt, error: BaseException) -> Event:
        elsewhere = isinstance(error, _ELSEWHERE)
        said = type(error).__name__ if attempt.run_codec.key_id else told(error)
        about = attempt.run_id, attempt.step_id, attempt.name, attempt.attempt
        if isinstance(error, CarriedError):
            return self._carried_failure(definition, attempt, error.carried)
        if isinstance(error, UnknownOutcomeError):
            self._observe(AttemptEnded(*about, "blocked", said))
            is_accepted = isinstance(error, AcceptedError)
            why = str(error) if is_accepted else f"attempt {attempt.attempt} ended with {type(error).__name__}"
            return self._event("step_blocked", attempt, payload=encode_error(error, attempt.run_codec), ref=why)
        if isinstance(error, (*_HOPELESS, *definition.final)) and not elsewhere:
            self._observe(AttemptEnded(*about, "failed", said))
            return self._event("step_failed", attempt, payload=encode_error(error, attempt.run_codec))
        failures = attempt.failures + 1
        again = definition.retries(error)
        now = self._clock.now()
        due = error.retry_at(now) if isinstance(error, RetryableError) else None
        if due is None:
            due = now + definition.backoff.delay_ms(failures)
        is_late = isinstance(error, ScheduleToCloseTimeoutError) or 0 < attempt.close_by <= due
        if is_late or ((failures > definition.max_retries or not again) and not elsewhere):
            why = "" if again else ", since this error is not retried"
            if again and is_late and failures <= definition.max_retries:
                why = ", since its schedule_to_close leaves no time for another"
            final = StepError(
                f"step {attempt.name} failed after {failures} attempt{'s' * (failures > 1)}{why}: {told(error)} "
                f"(catch StepError: its cause is this {type(error).__name__})",
                attempts=failures,
            )
            final.__cause__ = error
            self._observe(AttemptEnded(*about, "failed", said))
            return self._event("step_failed", attempt, payload=encode_error(final, attempt.run_codec))
        self._observe(AttemptEnded(*about, "retrying", said, max(0, due - now)))
        return self._event("step_retrying", attempt, payload=encode_error(error, attempt.run_codec), at=now, due=due)

    def _carried_failure(self, definition: StepDefinition, attempt: Attempt, carried: Carried) -> Event:
        """Return the event of an attempt of which the language that carried it out says how it failed."""
        about = attempt.run_id, attempt.step_id, attempt.name, attempt.attempt
        said = carried.told.partition(":")[0] if attempt.run_codec.key_id else carried.told
        payload = attempt.run_codec.pack_devalue(carried.text)
        if carried.outcome == "failed":
            self._observe(AttemptEnded(*about, "failed", said))
            return self._event("step_failed", attempt, payload=payload)
        now = self._clock.now()
        due = carried.due if carried.due is not None else now + definition.backoff.delay_ms(attempt.failures + 1)
        self._observe(AttemptEnded(*about, "retrying", said, max(0, due - now)))
        return self._event("step_retrying", attempt, payload=payload, at=now, due=due)

    def _event(self, kind: Any, attempt: Attempt, *, payload: bytes, at: int = 0, due: int = 0, ref: str = "") -> Event:
        return Event(
            type=kind,
            at=at or self._clock.now(),
            id=attempt.step_id,
            op=attempt.op,
            name=attempt.name,
            attempt=attempt.attempt,
            due=due,
            ref=ref,
            payload=payload,
        )


def _check_readable(envelope: bytes, error: SerializationError) -> None:
    """
    Check that an envelope can be read by whoever has the right classes.

    Raises:
        _NoArgumentsError: it cannot.
    """
    try:
        bare.loads(envelope)
    except SerializationError:
        raise _NoArgumentsError(str(error)) from error


def _from_step_on(function: Callable[..., Any], trace: TracebackType | None) -> TracebackType | None:
    """
    Return the part of a traceback that begins in the step itself, or in what is wrapped around it; none of it when
    neither began.
    """
    for each in (inspect.unwrap(function), function):
        code = getattr(each, "__code__", None)
        found = trace
        while found is not None and found.tb_frame.f_code is not code:
            found = found.tb_next
        if found is not None:
            return found
    return None


def told(error: BaseException) -> str:
    """Return class and message of an error, even of one that cannot say its message."""
    try:
        return f"{type(error).__name__}: {error!s:.2000}"
    except Exception:  # noqa: BLE001  # a step's class may do anything in its __str__
        return type(error).__name__


def encode_error(error: BaseException, run_codec: RunCodec) -> bytes:
    """Return the envelope of an error; one that cannot be encoded is told by its text."""
    try:
        return run_codec.dumps(error)
    except Exception as problem:  # noqa: BLE001  # a step's class may do anything while it is looked at
        return run_codec.dumps(StepError(f"{told(error)} (the error itself could not be stored: {told(problem)})"))
