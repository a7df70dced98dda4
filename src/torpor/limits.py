"""
Every bound that Torpor keeps, with its name; the relations between them are asserted below.

Passing one is a :class:`~torpor.errors.LimitExceededError` (or a :class:`~torpor.errors.VmError` with the same code)
on the run concerned, never on another.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

PAYLOAD_BYTES_MAX = 16 * MIB
"""One argument list, result, error or hook payload, serialized, before compression."""

OFF_LOOP_BYTES = 256 * KIB
"""A payload of more is encoded and decoded in a thread, so that no event loop is held up by it."""

OPS_PER_TURN_MAX = 10_000
"""Ops that one delivery of events may emit before the run fails."""

EVENTS_PER_CALL = 100
"""Events delivered in one call into the VM; more are delivered in several calls."""

INBOX_BYTES_MAX = PAYLOAD_BYTES_MAX
"""Payloads delivered in one call into the VM, and one more; the rest is delivered in further calls."""

OUTBOX_BYTES_MAX = 32 * MIB
"""
What a run has asked for, packed, and written, until it is stored. Past this much, events that came together wait until
it is: each of them may ask for as much as a VM may hand out at once.
"""

HELD_BYTES_MIN = KIB
"""Arguments and outcomes of less count for nothing there: what Python keeps around them is as much."""

HELD_BYTES_MAX = 256 * MIB
"""
Arguments and outcomes of steps that one worker holds, packed: those of steps that run, and what is not stored yet. Past
this much no step starts there, and those that are asked for are left to the world as tasks.
"""

LOG_LINES_PER_TURN_MAX = 1_000
"""Log lines kept of one call into the VM; the last one kept says how many were dropped."""

SNAPSHOT_BYTES_MAX = 512 * MIB
"""One snapshot before compression; no VM may be given more memory than this."""

REDELIVERIES_MAX = 48
"""Claims of one task that ended without a commit before the run or step is failed."""

LOG_LINE_CHARS_MAX = 16 * KIB
"""One log line; what is longer is cut, and a note of at most :data:`LOG_NOTE_CHARS_MAX` says how much."""

LOG_NOTE_CHARS_MAX = 100
"""See :data:`LOG_LINE_CHARS_MAX`."""

TOKEN_CHARS_MAX = 256
"""A hook's token."""

FORKS_MAX = 100
"""New runs of one ``fork`` in workflow code."""

HOOK_RETENTION_MS_MAX = 30 * 86_400_000
"""How long the token of a hook may stay reserved once the hook is gone."""

CLASS_CHARS_MAX = 1024
"""The name of the class of a hook's payloads, with its module."""

WEBHOOK_BODY_BYTES_MAX = 8 * MIB
"""The body of a request to a webhook."""

WEBHOOK_RESPONSE_CHARS_MAX = 64 * KIB
"""The static response of a webhook, as the guest writes it."""

WEBHOOK_ANSWER_SECONDS = 30
"""How long the caller of a webhook waits for a run that answers itself, unless the server says otherwise."""

WEBHOOK_HEADERS_MAX = 100
"""Headers of a request to a webhook that its run gets."""

MAILBOX_CHARS_MAX = 256
"""A mailbox's name, and the id of a message."""

MESSAGES_WAITING_MAX = 10_000
"""Messages that were sent to a run and that its code has not received; more are refused."""

RECEIVING_TOLD_MAX = 100
"""Mailboxes of one run in which its code is told to wait; it may wait in more."""

STEP_NAME_CHARS_MAX = 1024
"""The full name of a step, with the path of its file."""

PROGRESS_BYTES_MAX = 16 * KIB
"""What an attempt of a step has told of its progress, packed."""

FRAME_BYTES_MAX = 100_000_000
"""One chunk of a stream as it is stored, header included; a value has :data:`PAYLOAD_BYTES_MAX` at most."""

STREAM_BATCH_CHUNKS_MAX = 1_000
"""Chunks of a stream that are stored, or read, at once."""

STREAM_BATCH_BYTES_MAX = MIB
"""Bytes of a stream that are stored, or read, at once; a chunk that has more goes alone."""

STREAM_BUFFER_BYTES_MAX = 8 * MIB
"""What one writer of a stream has given and the world has not stored yet; past this much the writer waits."""

SOURCE_CHARS_MAX = MIB
"""A program that comes as text."""

INLINE_STEPS_MAX = 256
"""Steps that one turn may run itself at the same time; the rest become tasks."""

QUEUE_CHARS_MAX = 100
"""The name of a queue."""

PRIORITY_MAX = 100
"""Of a run, and the least is its negative; a claim looks for each that there is."""
CANCEL_REASON_CHARS_MAX = 512
"""Why a run was cancelled."""

DEPLOYMENTS_KEPT = 50
"""Deployments of one application that a world keeps, and those that rows of workers name beside them."""

SLOT_MS_LEAST = 1_000
"""Between two slots of a schedule."""

CATCH_UP_MAX = 1_000
"""Slots of a schedule that are made up for when they were missed."""

BACKFILL_MAX = 10_000
"""Slots of a schedule that are filled at once for a time that is over."""

DELETED_ROWS_MAX = 500
"""Rows that are deleted in one transaction, so that turns do not wait for it: of one long run, or of several."""

QUEUE_LIMIT_MAX = 1_000_000_000
"""Any number that a queue is limited to."""

KEY_CHARS_MAX = 256
"""The name of a queue, and a key in it."""

KEYS_LOOKED_MAX = 1_000
"""Keys of one queue that one claim looks at; the next one goes on behind them."""

HTTP_BODY_BYTES_MAX = PAYLOAD_BYTES_MAX + MIB
"""The body of a request: one payload, and what stands around it."""

HTTP_HEAD_SECONDS_MAX = 30
"""How long the head of a request may take to arrive, from its first byte or from the connection's beginning."""

HTTP_STALLED_SECONDS_MAX = 120
"""How long who is answered may read nothing of it."""

HTTP_BODY_SECONDS_MAX = 30
"""How long the body of a request may take to arrive."""

WORLD_BODY_BYTES_MAX = 256 * MIB
"""What is asked of a world behind a URL, and what it answers: a whole log, or a blob."""

WORLD_UPLOADS_BYTES_MAX = 512 * MIB
"""Snapshots that wait for the commits that name them."""
PARCEL_STREAM_BYTES_MAX = 128 * MIB
"""Chunks of all streams of a run that goes to another world, or into a capsule; see docs/capsules.md."""

CAPSULE_BYTES_MAX = 512 * MIB
"""All of a capsule, unpacked."""

CAPSULE_MANIFEST_BYTES_MAX = MIB
"""The line of a capsule that says what is in it."""

STEP_WORKERS_MAX = 500
"""Step workers that one server speaks for."""

STEP_WORKER_STEPS_MAX = 10_000
"""Steps that one step worker may offer."""

HTTP_EVENTS_MAX = 10_000
"""Events of a run that is told as a whole; those of a longer log are read in pages."""

HTTP_WAIT_SECONDS_MAX = 60
"""How long a request may wait for the end of a run."""

assert EVENTS_PER_CALL <= OPS_PER_TURN_MAX
assert INLINE_STEPS_MAX <= OPS_PER_TURN_MAX
assert PAYLOAD_BYTES_MAX < SNAPSHOT_BYTES_MAX
assert 2 * PAYLOAD_BYTES_MAX < HELD_BYTES_MAX, "a step's arguments and its result find room"
assert STREAM_BATCH_BYTES_MAX < STREAM_BUFFER_BYTES_MAX, "a batch is stored while the next one comes together"
