"""Known bugs, each a change of one line, to be planted into the engine and the rules; the simulation must find them."""

from __future__ import annotations
import __future__

import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock


@dataclass(frozen=True)
class Plant:
    """
    A bug.

    Attributes:
        name: what is wrong.
        place: module and function, such as ``torpor.worlds.draft:Draft.elapse``.
        sound, wrong: a piece of the function's text, and what takes its place.
        fault: a piece of what the simulation says of it.
    """

    name: str
    place: str
    sound: str
    wrong: str
    fault: str


PLANTS = (
    Plant(
        "a commit does not compare the head",
        "torpor.worlds.operations:commit",
        "(commit.inputs and (foreign or too_late))",
        "(commit.inputs and too_late)",
        "is not the state after that event",
    ),
    Plant(
        "a commit does not check the epoch",
        "torpor.worlds.rules:check_claim",
        "if run.epoch != epoch or run.worker != worker_id:",
        "if False:",
        "for who has no claim",
    ),
    Plant(
        "outcomes that were taken are not put back after a rewind",
        "torpor.engine.inline:InlineSteps.put_back",
        "self._outcomes = [*events, *self._outcomes]",
        "pass",
        "this very claim has had a result",
    ),
    Plant(
        "a wait that has ended stays open",
        "torpor.worlds.draft:Draft._change_wait",
        "None if wait else Wait(event.id, event.op, event.due)",
        "wait or Wait(event.id, event.op, event.due)",
        "is answered twice",
    ),
    Plant(
        "waits that are due end in the wrong order",
        "torpor.worlds.draft:Draft.elapse",
        "key=lambda wait: (wait.due, wait.op)",
        "key=lambda wait: (-wait.due, wait.op)",
        "which is due earlier",
    ),
    Plant(
        "a snapshot's cursor is one event too late",
        "torpor.worlds.rules:_cursor",
        "return answers[0].seq - 1",
        "return answers[0].seq",
        "is not the state after that event",
    ),
    Plant(
        "an attempt's number is given out twice",
        "torpor.worlds.claims:claim_step",
        "attempt=step.attempt + 1,",
        "attempt=max(step.attempt, 1),",
        "is made twice",
    ),
    Plant(
        "a hook that is disposed of can be resumed",
        "torpor.worlds.draft:Draft._change_hook",
        "self._hooks[hook.id] = None",
        "self._hooks[hook.id] = hook",
        "and it is hook_disposed",
    ),
    Plant(
        "a snoozed run forgets to wake",
        "torpor.worlds.claims:snooze",
        "ready_at=_unless_paused(run, until),",
        "ready_at=None,",
        "not everything came to its end",
    ),
    Plant(
        "what a turn knows is believed although it is stale",
        "torpor.worlds.memory.store:fence",
        "return run.epoch, run.head, run.worker, run.base",
        "return run.epoch, 0, run.worker, run.base",
        "of the log",
    ),
    Plant(
        "a lost notice is not made up for",
        "torpor.engine.worker:Worker._notice",
        "if notice.work:",
        "if notice.work and notice.run_id:",
        "not everything came to its end",
    ),
    Plant(
        "a turn parks although something came",
        "torpor.worlds.rules:_may_park",
        "return not foreign and",
        "return",
        "not everything came to its end",
    ),
    Plant(
        "a repeated payload is recorded again",
        "torpor.worlds.rules:receive",
        "return draft.changes(resumed=(hook.token, resume_id))",
        "return draft.changes()",
        "twice",
    ),
    Plant(
        "a repeated message is recorded again",
        "torpor.worlds.mailbox:send",
        "return draft.changes(resumed=(MAILBOX, message_id))",
        "return draft.changes()",
        "stands in its log twice",
    ),
    Plant(
        "a timer that was due does not win over a message",
        "torpor.worlds.mailbox:send",
        "draft.elapse(now)",
        "pass",
        "was due",
    ),
    Plant(
        "a message wakes nobody",
        "torpor.worlds.mailbox:send",
        "draft.wake(now)",
        "pass",
        "not everything came to its end",
    ),
    Plant(
        "who watches a run is not told of its end",
        "torpor.worlds.operations:tell_watchers",
        "for hook in watchers:",
        "for hook in ():",
        "not everything came to its end",
    ),
    Plant(
        "a timer that was due does not win over what came later",
        "torpor.worlds.rules:receive",
        "draft.elapse(now)",
        "pass",
        "was due",
    ),
    Plant(
        "a claim does not raise the fence",
        "torpor.worlds.claims:claim",
        "epoch=run.epoch + 1,",
        "epoch=run.epoch,",
        "without raising epoch",
    ),
    Plant(
        "tasks of dead workers stay theirs",
        "torpor.worlds.memory.store:Store.release",
        "places = list(self.claims.get(worker_id, ()))",
        "places = []",
        "not everything came to its end",
    ),
    Plant(
        "a turn that the world fails gives the run up once",
        "torpor.engine.recovery:Recovery.not_snoozed",
        "return Moves(Pause(told.delay_ms, asked), (Tell(told),))",
        'return Moves(End("left"), (Tell(told),))',
        "not everything came to its end",
    ),
    Plant(
        "steps that a lost commit handed over are forgotten",
        "torpor.engine.turn:Turn._handed_over",
        "return tuple(step.id for step",
        "return () and tuple(step.id for step",
        "not everything came to its end",
    ),
    Plant(
        "a timer that was due does not win over a cancellation",
        "torpor.worlds.cancelling:cancel",
        "draft.elapse(now)",
        "pass",
        "was due",
    ),
    Plant(
        "a cleanup has no time",
        "torpor.engine.passes:Pass.must_end",
        "return now >= run.cancel_by or asked > run.cleanup_steps",
        "return True",
        "it was ended before it had cleaned up",
    ),
    Plant(
        "a turn's inputs turn the times of the log back",
        "torpor.worlds.operations:commit",
        "(commit.inputs and (foreign or too_late))",
        "(commit.inputs and foreign)",
        "and the one before is of",
    ),
    Plant(
        "a step is complete before its chunks are stored",
        "torpor.engine.attempt_streams:AttemptStreams.finish",
        "await sink.flush()",
        "pass",
        "and of its 3 chunks there are",
    ),
    Plant(
        "a batch of chunks that comes twice is stored twice",
        "torpor.worlds.streams:write",
        "fresh = batch.chunks[known.sent - batch.first :]",
        "fresh = batch.chunks",
        "and of its 3 chunks there are",
    ),
)


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """
    Have the bug while the block runs.

    Raises:
        AssertionError: the place does not read as it did: whoever changes it moves the bug along.
    """
    module_name, _, path = plant.place.partition(":")
    module: Any = importlib.import_module(module_name)
    owner: Any = module
    *outer, name = path.split(".")
    for each in outer:
        owner = getattr(owner, each)
    text = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    assert text.count(plant.sound) == 1, f"{plant.place} has no such line any more, or several: {plant.sound}"
    made: dict[str, Any] = {}
    flags = __future__.annotations.compiler_flag
    code = compile(text.replace(plant.sound, plant.wrong), plant.place, "exec", flags=flags)
    exec(code, vars(module), made)  # noqa: S102  # our own text, but for one line
    with mock.patch.object(owner, name, made[name]):
        yield
