"""Hundreds of worlds in which everything goes wrong, and nothing may come of it; and bugs that must be found there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.simulation.kept import KEPT
from tests.simulation.plants import PLANTS, Plant, planted
from torpor.engine.failpoints import Failpoint
from torpor.testing.simulation import simulate
from torpor.testing.simulation.crowd import Summary, simulate_all

SEEDS = 500
ENOUGH = 2_000
"""Seeds within which every planted bug is found."""


def test_five_hundred_worlds_hold() -> None:
    """Nothing is lost, doubled, reordered or forgotten; workers are killed at every failpoint."""
    summary = Summary()
    for outcome in simulate_all(range(SEEDS), os.cpu_count() or 1):
        summary.add(outcome)
    assert summary.faults == {}
    assert [point for point in Failpoint if not summary.happened.get(f"kill {point}")] == []


@pytest.mark.parametrize("seed", range(20))
def test_worlds_with_real_vms_hold(seed: int) -> None:
    """The programs play in JavaScript as they do by model."""
    assert simulate(seed, machine="quickjs").faults == ()


def test_a_bug_is_found_with_real_vms_too() -> None:
    """What is asked for after the log is compared, whoever asks."""
    [plant] = [plant for plant in PLANTS if plant.name == "a commit does not compare the head"]
    with planted(plant):
        assert any(simulate(seed, machine="quickjs").faults for seed in range(100))


@pytest.mark.parametrize("seed", KEPT, ids=str)
def test_a_seed_that_has_found_a_fault_holds(seed: int) -> None:
    """What was mended stays so."""
    assert simulate(seed).faults == ()


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_planted_bug_is_found(plant: Plant) -> None:
    """By the reason that it has, and within a bounded number of worlds."""
    with planted(plant):
        faults = ((seed, fault) for seed in range(ENOUGH) for fault in simulate(seed).faults)
        found = next(((seed, fault) for seed, fault in faults if plant.fault in fault), None)
    assert found is not None, f"not found in {ENOUGH} seeds"
    sys.stdout.write(f"found in {found[0] + 1} seeds: {found[1]}\n")  # shown by pytest -rP


def test_the_same_seed_tells_the_same_story() -> None:
    """To the byte, in another process whose hashes differ."""

    def story(hash_seed: int) -> bytes:
        command = [sys.executable, "-m", "torpor.testing.simulation", "--seed", "140"]
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    told = story(1)
    assert told == story(2)
    assert told.count(b"\n") > 100


def test_the_command_tells_of_many_seeds_in_json() -> None:
    """How many there were, what happened in them, and which are at fault."""
    command = [sys.executable, "-m", "torpor.testing.simulation", "--seeds", "20", "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (told["seeds"], told["faults"]) == (20, {})
    assert told["happened"]["notice late"] > 0


def test_a_story_of_a_fault_names_it() -> None:
    """Where it was found, and in the end."""
    [plant] = [plant for plant in PLANTS if plant.name == "a claim does not raise the fence"]
    with planted(plant):
        outcome = simulate(0, tell=True)
    assert any("FAULT: " in line and "without raising epoch" in line for line in outcome.story)
    assert outcome.faults
