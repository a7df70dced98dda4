"""Hooks and messages with types that only Python has."""

from __future__ import annotations

import pytest

from tests.semantics.python_flows.models import Basket, Line
from tests.semantics.support import Stage, outcome
from torpor import ArgumentError

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.parametrize("guest", ["cpython"], scope="module")]

BROKEN = {"customer": "Ann", "lines": [{"name": "lamp", "cents": -1}]}
WHOLE = {"customer": " Ann ", "lines": [{"name": "lamp", "cents": 1}]}
BASKET = Basket(customer="Ann", lines=[Line(name="lamp", cents=1)])


async def test_models_are_validated_on_both_sides(stage: Stage) -> None:
    """What a validator makes of a payload is received; what none takes is refused outside, else told inside."""
    token = f"models {stage.runtime}"
    run = await stage.start("takes_models", token)
    await stage.logged(run, "hook_created")
    with pytest.raises(ArgumentError, match=r"takes Basket: payload\.lines\[0\]\.cents: .*greater than 0"):
        await stage.app.resume_hook(token, BROKEN)
    hook = await stage.app.world.hook(token)
    run_codec = stage.app.keyring.run(hook.run_id, hook.key_id, hook.public)
    await stage.app.world.resume_hook(token, run_codec.dumps(BROKEN), "unchecked")
    await stage.app.resume_hook(token, WHOLE)
    for baskets in ([BROKEN], [WHOLE, BASKET]):
        await run.send("baskets", baskets)
    not_fitting, basket, no_message, messages = await outcome(run)
    assert not_fitting.startswith("hook 'TOKEN' takes Basket: payload.lines[0].cents: ")
    assert no_message.startswith("message 'baskets' was to be list[Basket]: it[0].lines[0].cents: ")
    assert (basket, messages) == (BASKET, [BASKET, BASKET])
