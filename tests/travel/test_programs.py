"""Every past moment that is shown equals what the live run showed then, in random programs of both languages."""

from __future__ import annotations

import pytest

from torpor.engine.moves import Requests
from torpor.engine.session import Session
from torpor.errors import ConfigurationError, HookNotFoundError
from torpor.lifecycle import INPUTS
from torpor.run_handle import RunHandle
from torpor.testing import Testbed
from torpor.testing.programs.judge import LANGUAGES, application
from torpor.testing.programs.script import Made, make
from torpor.vm.guest import TaskStack

SEEDS = range(4)

Shown = list[TaskStack] | None


class Witness:
    """
    What live VMs of runs held after each call into them.

    Attributes:
        seen: by run and number of inputs that its VM had got: what its tasks were, None where the guest cannot tell.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seen: dict[str, dict[int, Shown]] = {}
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
        copy = session.guest.lease(session.image)
        try:
            copy.restore(session.mark().delta, session._seed)
            shown: Shown = copy.stack()
        except ConfigurationError:
            shown = None
        finally:
            copy.release()
        self.seen.setdefault(session._run.id, {})[self._got[session]] = shown


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
                async with run.travel() as traveller:
                    for inputs in [*sorted(seen), *sorted(seen, reverse=True)[1:], *sorted(seen, key=hash)[::2]]:
                        moment = await traveller.at(places[inputs])
                        assert list(moment.tasks) == (seen[inputs] or [])
                        compared += 1
    assert compared > len(programs) * 4
