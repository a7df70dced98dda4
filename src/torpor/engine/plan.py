"""
From what a guest asks for to what is stored: ops become events, deliveries come from events.

Pure functions; the same ops give the same events in every replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from torpor import codec, ids
from torpor.attributes import check_write
from torpor.codec.crypto.run_codec import PLAIN, RunCodec
from torpor.engine.cancellation import reason_of
from torpor.engine.step_deadlines import Deadlines, missed, of_call
from torpor.errors import (
    DamagedError,
    DivergenceError,
    GuestTrapError,
    LimitExceededError,
    NotAllowedError,
    SerializationError,
    UsageError,
)
from torpor.lifecycle import FROM_OUTSIDE, INPUTS
from torpor.limits import (
    CLASS_CHARS_MAX,
    HOOK_RETENTION_MS_MAX,
    LOG_LINE_CHARS_MAX,
    LOG_NOTE_CHARS_MAX,
    MAILBOX_CHARS_MAX,
    STEP_NAME_CHARS_MAX,
    TOKEN_CHARS_MAX,
    WEBHOOK_RESPONSE_CHARS_MAX,
)
from torpor.model import NOTHING, Event
from torpor.model.webhooks import takes_requests, webhook_of
from torpor.vm.guest import Delivery, LogLine, Op, Outbox, Program

_DIGEST_BYTES = 8
_TIME_MAX = 2**53 - 1  # what JavaScript counts exactly
_END = "$end:"  # begins the token of a hook that watches a run, for people to read


def digest(op: Op, run_codec: RunCodec) -> bytes:
    """Return the fingerprint of an op: 8 bytes of BLAKE2b over its JSON, whose key order is the struct's."""
    if op.input is not None and not op.input.isascii():  # it may hold halves of surrogate pairs, which JSON escapes
        op = msgspec.structs.replace(op, input=op.input.encode("utf-8", "backslashreplace").decode())
    return run_codec.digest(msgspec.json.encode(op), _DIGEST_BYTES)


def record(
    op: Op,
    run_codec: RunCodec,
    seed: bytes,
    at: int,
    hooks: Mapping[int, tuple[str, str]],
    deadlines: Callable[[str], Deadlines],
) -> Event:
    """
    Return the event that records an op.

    Args:
        op: the op.
        run_codec: packs its payload.
        seed: the run's seed, source of the correlation id.
        at: time of the event. The id carries the guest's clock instead, which a replay repeats.
        hooks: id and token, by op number, of the hooks that the run has made.
        deadlines: those of a step, by its full name.

    Raises:
        GuestTrapError: it disposes of what is no hook.
    """
    payload = None if op.input is None else run_codec.pack_devalue(op.input)
    mark = digest(op, run_codec)
    match op.type:
        case "step":
            correlation = ids.correlation("step", seed, op.n, op.at)
            limits = of_call(deadlines(op.name), op.input)
            return Event(
                "step_created",
                at,
                correlation,
                op=op.n,
                digest=mark,
                name=op.name,
                due=at + limits.close_ms if limits.close_ms else 0,
                ref=str(at + limits.start_ms) if limits.start_ms else "",
                payload=payload,
            )
        case "wait":
            correlation = ids.correlation("wait", seed, op.n, op.at)
            return Event("wait_created", at, correlation, op=op.n, digest=mark, due=op.due)
        case "hook":
            correlation = ids.correlation("hook", seed, op.n, op.at)
            token = f"{_END}{op.watch}" if op.watch else op.name
            return Event(
                "hook_created",
                at,
                correlation,
                op=op.n,
                digest=mark,
                name=token,
                attempt=1 if op.takes else 0,
                due=op.retention_ms,
                ref=op.watch or _taken(op, run_codec),
                payload=payload,
            )
        case "hook_dispose":
            if op.target not in hooks:
                raise _spoiled(f"op {op.n} disposes of op {op.target}, which is no hook of this run")
            correlation, token = hooks[op.target]
            return Event("hook_disposed", at, correlation, op=op.n, digest=mark, name=token)
        case "attributes":
            return Event("attr_set", at, op=op.n, digest=mark, ref=msgspec.json.encode(op.attributes).decode())


def _taken(op: Op, run_codec: RunCodec) -> str:
    """Return what is stored of what a hook takes: the response of a webhook is packed."""
    webhook = webhook_of(op.takes) if op.response else None
    if webhook is None:
        return op.takes
    return takes_requests(msgspec.structs.replace(webhook, response=run_codec.pack_text(op.response)))


def check_form(run_id: str, op: Op, number: int) -> None:
    """
    Check that an op is one that a sound guest would emit; workflow code may have spoiled its guest.

    Args:
        run_id: names the run in the error.
        op: the op.
        number: which one is due.

    Raises:
        GuestTrapError: it is not.
    """
    wrong = ""
    if op.n != number:
        wrong = f"is numbered {op.n}"
    elif not (0 <= op.at <= _TIME_MAX and 0 <= op.due <= _TIME_MAX):
        wrong = f"has a time outside of 0 to {_TIME_MAX} ms"
    elif op.type == "hook" and not op.watch and not 0 < len(op.name) <= TOKEN_CHARS_MAX:
        wrong = f"has a token of {len(op.name)} characters; 1 to {TOKEN_CHARS_MAX} are allowed"
    elif op.type == "step" and not 0 < len(op.name) <= STEP_NAME_CHARS_MAX:
        wrong = f"has a name of {len(op.name)} characters; 1 to {STEP_NAME_CHARS_MAX} are allowed"
    elif op.type == "hook" and not 0 <= op.retention_ms <= HOOK_RETENTION_MS_MAX:
        wrong = f"reserves its token for {op.retention_ms} ms; up to {HOOK_RETENTION_MS_MAX} are allowed"
    elif len(op.takes) > CLASS_CHARS_MAX or (op.watch and op.takes):
        wrong = f"takes payloads of a class whose name has {len(op.takes)} characters, or watches a run and takes any"
    elif op.type == "hook" and (problem := _webhook_problem(op)):
        wrong = problem
    elif len(op.watch) > TOKEN_CHARS_MAX:
        wrong = f"watches a run whose id has {len(op.watch)} characters; {TOKEN_CHARS_MAX} are allowed"
    elif op.type == "attributes":
        try:
            check_write(op.attributes, reserved=True)
        except UsageError as error:
            wrong = f"says something of the run that it may not: {error}"
    if wrong:
        raise _spoiled(f"run {run_id}: op {number} ({op.type}) {wrong}")


def _webhook_problem(op: Op) -> str:
    """Return what is wrong with how a webhook says that it answers, ``""`` for nothing."""
    if len(op.response) > WEBHOOK_RESPONSE_CHARS_MAX:
        return (
            f"has a webhook with a response of {len(op.response)} characters; {WEBHOOK_RESPONSE_CHARS_MAX} are allowed"
        )
    try:
        webhook = webhook_of(op.takes)
    except ValueError as error:
        return str(error)
    is_static = webhook is not None and webhook.answer == "static"
    if is_static != bool(op.response) or (webhook is not None and webhook.response):
        return "has a response that no webhook of its kind has"
    return ""


def check_authority(run_id: str, step: str, program: Program, allows: Callable[[str], bool]) -> None:
    """
    Check that a run may call a step, given by its full name, whatever its code has done to its guest.

    Raises:
        NotAllowedError: neither its program names the step nor its application allows it.
    """
    if not program.names_step(step) and not allows(step):
        raise NotAllowedError(
            f"run {run_id} asks for step {step}, which its program does not import; import it in the workflow's file, "
            f"or let the application allow it: Torpor(allow=[{step!r}])"
        )


def check_line(run_id: str, line: LogLine, last: int) -> None:
    """
    Check that a log line follows line *last*, and is not too long.

    Raises:
        GuestTrapError: it does not.
    """
    if not (last < line.n <= _TIME_MAX and 0 <= line.at <= _TIME_MAX):
        raise _spoiled(f"run {run_id}: a log line is numbered {line.n} at {line.at} ms, after line {last}")
    if len(line.text) > LOG_LINE_CHARS_MAX + LOG_NOTE_CHARS_MAX:
        raise _spoiled(
            f"run {run_id}: log line {line.n} has {len(line.text)} characters, the limit is {LOG_LINE_CHARS_MAX}"
        )


def check_counts(run_id: str, outbox: Outbox) -> None:
    """
    Check what a guest tells of the run's mailboxes.

    Raises:
        GuestTrapError: no sound guest would.
    """
    longest = max(map(len, outbox.receiving), default=0)
    if not 0 <= outbox.received <= _TIME_MAX or longest > MAILBOX_CHARS_MAX:
        raise _spoiled(
            f"run {run_id}: it has received {outbox.received} messages, and waits in mailboxes with names of up to "
            f"{longest} characters"
        )


def _spoiled(what: str) -> GuestTrapError:
    return GuestTrapError(f"{what}; workflow code must have changed what its own VM is made of")


def check_replay(run_id: str, op: Op, run_codec: RunCodec, recorded: bytes | None) -> None:
    """
    Compare a re-emitted op with the digest that the log has of it.

    Raises:
        DivergenceError: they differ, or the log has none of that number.
    """
    if recorded is None:
        raise DivergenceError(f"run {run_id}: op {op.n} ({op.type}) is committed but the log has no record of it")
    if recorded != digest(op, run_codec):
        raise DivergenceError(
            f"run {run_id}: op {op.n} was emitted as {op.type} {op.name!r}, which is not what the log recorded. "
            f"The log is damaged or the guest build changed its behaviour; the run was not continued"
        )


def check_record(run_id: str, event: Event, run_codec: RunCodec) -> None:
    """
    Compare what the log has of a step or wait with the digest that it has of the op.

    Raises:
        DamagedError: they differ.
    """
    match event.type:
        case "step_created":
            text = stored_text(run_id, event, run_codec)
            op = Op(event.op, "step", ids.time_of(event.id), event.name, text)
        case "wait_created":
            op = Op(event.op, "wait", ids.time_of(event.id), due=event.due)
        case _:
            return
    if digest(op, run_codec) != event.digest:
        what = f"event {event.seq} ({event.type} of op {event.op})"
        raise DamagedError(what, "it is not what the run asked for, whose digest it has", run_id=run_id)


def delivery(run_id: str, event: Event, run_codec: RunCodec) -> Delivery | None:
    """
    Return what an event of a run's log delivers into the VM, None when it only records.

    Raises:
        DamagedError: its payload is absent, damaged, or was not written by who may write it.
    """
    if event.type not in INPUTS or event.type == "run_forked":  # which a session tells, who has the seeds
        return None
    match event.type:
        case "run_cancelling":
            return Delivery("run_cancelling", 0, event.at, value=_reason(run_id, event, run_codec))
        case "step_failed":
            late = missed(event) if event.due else None
            text = stored_text(run_id, event, run_codec) if late is None else PLAIN.unpack_devalue(codec.dumps(late))
            return Delivery("step_failed", event.op, event.at, error=text)
        case "step_completed" | "hook_received":
            return Delivery(event.type, event.op, event.at, value=stored_text(run_id, event, run_codec))
        case "hook_conflict":
            return Delivery("hook_conflict", event.op, event.at, owner=event.ref)
        case "message_sent":
            return Delivery(event.type, 0, event.at, value=stored_text(run_id, event, run_codec), name=event.name)
        case kind:
            return Delivery(kind, event.op, event.at)  # type: ignore[arg-type]  # INPUTS are the delivery types


def _reason(run_id: str, event: Event, run_codec: RunCodec) -> str:
    """Return the codec text of why a run is cancelled."""
    try:
        return codec.dumps(reason_of(event.ref, run_codec)).decode()
    except SerializationError as error:
        what = f"event {event.seq} (run_cancelling)"
        raise DamagedError(what, f"its reason cannot be read: {error}", run_id=run_id) from error


def stored_text(run_id: str, event: Event, run_codec: RunCodec) -> str:
    """
    Return the text in an event's payload.

    Raises:
        DamagedError: as :func:`delivery`.
    """
    what = f"event {event.seq} ({event.type} of op {event.op})"
    from_outside = event.type in FROM_OUTSIDE
    if event.payload is None:
        raise DamagedError(what, "it has lost its payload", run_id=run_id)
    if event.type == "hook_received" and event.payload == NOTHING:  # the world's own word, which knows no key
        return NOTHING.decode()
    try:
        return run_codec.unpack_devalue(event.payload, from_outside=from_outside)
    except (SerializationError, LimitExceededError) as error:  # a header may claim any size
        raise DamagedError(what, f"its payload cannot be read: {error}", run_id=run_id) from error
