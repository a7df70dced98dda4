"""Every past moment that is shown equals what the live run showed then, in random programs of both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from torpor.engine.asking import asked_for
from torpor.engine.moves import Requests
from torpor.engine.session import Session
from torpor.errors import HookNotFoundError
from torpor.lifecycle import INPUTS
from torpor.run_handle import RunHandle
from torpor.testing import Testbed
from torpor.testing.programs.judge import LANGUAGES, application
from torpor.testing.programs.script import Made, make
from torpor.vm.guest import Guest, Image, TaskStack

SEEDS = range(4)


class Seen(NamedTuple):
    """A live VM as it was: the guest and the image that it is of, its state, and the secret seed of its run."""

    guest: Guest
    image: Image
    delta: bytes
    seed: bytes

    def tasks(self, asked: Mapping[int, str]) -> list[TaskStack]:
        """Return what its tasks were."""
        copy = self.guest.lease(self.image)
        try:
            copy.restore(self.delta, self.seed)
            return copy.stack(asked)
        finally:
            copy.release()


class Witness:
    """
    What live VMs of runs were after each call into them.

    Attributes:
        seen: by run and number of inputs that its VM had got.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seen: dict[str, dict[int, Seen]] = {}
        self._got: dict[Session, int] = {}
        wake, advance = Session.wake, Session.advance

        def waking(session: Session, now: int) -> Requests:
            requests = wake(session, now)
            cursor = session._state.snapshot.cursor if session._state.snapshot else 0
            whole = self._inputs.get(session._run.id, 0) if cursor else 0
            self._got[session] = whole + sum(event.type in INPUTS for event in session._state.events)
            self._note(session)
            return requests

        def advancing(session: Session, events: object, now: int) -> Requests:
            requests = advance(session, events, now)  # type: ignore[arg-type]  # as they came
            self._got[session] += sum(event.type in INPUTS for event in events)  # type: ignore[attr-defined]
            self._note(session)
            return requests

        self._inputs: dict[str, int] = {}  # that the newest snapshot of a run stands behind
        snapshot = Session.snapshot

        def snapping(session: Session, at: int) -> object:
            self._inputs[session._run.id] = self._got[session]
            return snapshot(session, at)

        patch.setattr(Session, "wake", waking)
        patch.setattr(Session, "advance", advancing)
        patch.setattr(Session, "snapshot", snapping)

    def _note(self, session: Session) -> None:
        if session.ended:
            return
        seen = Seen(session.guest, session.image, session.mark().delta, session._seed)
        self.seen.setdefault(session._run.id, {})[self._got[session]] = seen


async def _played(torpor: Testbed, program: Made, language: str) -> RunHandle:
    """Let a program run to its end."""
    began = torpor.clock.now()
    run = await torpor.start(f"{language}_{program.seed}")
    for arrival in program.arrivals:
        await torpor.skip((began + arrival.at - torpor.clock.now()) / 1000)
        try:
            await torpor.resume_hook(arrival.token, arrival.payload)
        except HookNotFoundError:
            continue  # nobody waits for it
    assert await run.result() == program.value
    return run


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_past_moment_is_what_the_live_run_showed(language: str) -> None:
    """Each call into the VMs of random programs is seen again at its place, forwards, backwards and at random."""
    programs = [make(seed) for seed in SEEDS]
    compared = 0
    with application(programs) as app, pytest.MonkeyPatch.context() as patch:
        async with Testbed(app) as torpor:
            witness = Witness(patch)
            runs = [await _played(torpor, program, language) for program in programs]
            patch.undo()
            for run in runs:
                events = await run.events()
                places = [1, *(event.seq for event in events if event.type in INPUTS)]
                seen = witness.seen[run.id]
                asked = asked_for(events, (await run._client.world.load(run.id)).held)
                async with run.travel() as traveller:
                    for inputs in [*sorted(seen), *sorted(seen, reverse=True)[1:], *sorted(seen, key=hash)[::2]]:
                        moment = await traveller.at(places[inputs])
                        assert list(moment.tasks) == seen[inputs].tasks(asked)
                        assert moment.tasks[0].frames
                        compared += 1
    assert compared > len(programs) * 4
