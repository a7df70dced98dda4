"""What it costs to go on with a run, counted in events that its VM is given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, resumed
from torpor.guests.quickjs.vm import QuickJsVm
from torpor.model import Runtime
from torpor.vm.guest import Delivery, Outbox

HOOKS = 12
INPUTS_OF_A_HOOK = 2  # its creation, and its payload


async def test_an_event_from_outside_is_one_redo(
    database: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Hooks raced against timers: a payload wakes the run once, and with ``replay`` the VM then gets the log once more.

    A turn that was taken back for each event from outside would cost twice as much. Some may be: a payload can come
    between the commit that makes a hook known and the one that parks the run.
    """
    delivered = 0
    deliver = QuickJsVm.deliver

    def counted(vm: QuickJsVm, inbox: Sequence[Delivery]) -> Outbox:
        nonlocal delivered
        delivered += len(inbox)
        return deliver(vm, inbox)

    monkeypatch.setattr(QuickJsVm, "deliver", counted)
    app = application.on(database, runtime=runtime)
    async with app, app.worker():
        run = await app.start("racesHooks", HOOKS)
        for number in range(HOOKS):
            await resumed(app, f"race-{number}", 1)
        assert await run.result(timeout=TIMEOUT) == HOOKS

    once = INPUTS_OF_A_HOOK * HOOKS
    redone = sum(INPUTS_OF_A_HOOK * number for number in range(1, HOOKS + 1))
    assert delivered <= 1.5 * (once if runtime == "snapshot" else redone)
