"""Random programs in both languages and runtimes do what their model says, and the judge would notice if not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.testing import Testbed
from torpor.testing.programs import judge as judging
from torpor.testing.programs.__main__ import main
from torpor.testing.programs.judge import judge
from torpor.testing.programs.script import Made, Script, make, nodes, tokens

SEEDS = 16


async def test_programs_do_what_their_model_says() -> None:
    """By snapshots and by replays, with the same logs."""
    assert await judge(range(SEEDS)) == []


def test_the_programs_have_all_there_is() -> None:
    """Every kind of node, and payloads that come."""
    made = [make(seed) for seed in range(SEEDS)]
    kinds = {node.kind for each in made for node in nodes(each.script)}
    assert kinds == {"step", "sleep", "hook", "clock", "child", "sequence", "all", "race"}
    assert any(each.arrivals for each in made)
    assert make(3) == make(3)


async def test_a_wrong_result_is_found() -> None:
    """Of every program that has the step which is not what it should be."""

    def disturb(torpor: Testbed) -> None:
        torpor.replace("echo", lambda value: ["echo", value + 1])

    faults = await judge(range(4), disturb=disturb)
    found = {fault.seed for fault in faults if "it returned" in fault.what}
    assert found == {
        seed for seed in range(4) if any(node.name == "echo" for node in nodes(make(seed).script))
    } - _where_it_makes_no_difference(range(4))


def _where_it_makes_no_difference(seeds: range) -> set[int]:
    """Return the programs whose value has no word of the step: it lost a race."""
    return {seed for seed in seeds if "'echo'" not in repr(make(seed).value)}


async def test_logs_that_differ_are_found() -> None:
    """Although both results are right."""
    beds = 0

    def disturb(torpor: Testbed) -> None:
        nonlocal beds
        beds += 1
        if beds == 2:
            torpor.fail("thread", times=1)

    faults = await judge([_with("thread")], disturb=disturb)
    assert any("the logs of snapshot and replay runs differ" in fault.what for fault in faults)


def _with(step: str) -> int:
    """Return a seed whose program has a step first."""
    for seed in range(1_000):
        inside = make(seed).script.inside
        if inside[0].name == step:
            return seed
    raise AssertionError(step)


async def test_a_wrong_moment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that ends later than its model says."""

    def late(seed: int) -> Made:
        made = make(seed)
        return replace(made, ends=made.ends + 1)

    monkeypatch.setattr(judging, "make", late)
    assert any("ms, and should" in fault.what for fault in await judge([0]))


def test_the_command_tells_how_many_there_were(capsys: pytest.CaptureFixture[str]) -> None:
    """And shows the sources of one."""
    assert main(["--seed", "2"]) == 0
    told = capsys.readouterr().out
    assert "export async function javascript_2()" in told
    assert "async def python_2():" in told
    assert "1 programs" in told


def test_tokens_are_those_of_the_hooks() -> None:
    """Wherever they stand."""
    hook = Script("hook", "a", 1)
    assert tokens(Script("all", inside=(hook, Script("race", inside=(Script("hook", "b", 1),))))) == ["a", "b"]
