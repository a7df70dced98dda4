"""A worker or a process may stop at any moment, whatever its VMs are doing."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from torpor.guests.cpython import CPython
from torpor.vm.guest import Program

ROOT = Path(__file__).parents[2]
SEEDS = 6
ENDED_BY_CTRL_C = 130

pytestmark = pytest.mark.timeout(600)  # seconds: each way has six processes, which share the machine with other tests

CODES = {"leave": {0}, "fall_off": {0}, "exit": {7}, "signal": {-2, 1, ENDED_BY_CTRL_C}}


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """Have the interpreter compiled, so that processes differ only in when they stop."""
    guest = CPython()
    guest.load(Program(guest=guest.name, build=guest.build, files={}, entries=[], workflows={}))


@pytest.mark.parametrize("way", CODES)
async def test_stopping_while_vms_compute_is_no_crash(way: str) -> None:
    """
    However a process stops, and at whichever moment, it ends as told, soon, and not by a fault.
    """
    for first in range(0, SEEDS, 2):  # two at a time, so that the moments are not always the same
        for seed, code, said in await asyncio.gather(*(_ended(way, seed) for seed in (first, first + 1))):
            assert code in CODES[way], f"{way} with seed {seed} ended with {code}:\n{said}"
            assert "Exception ignored" not in said, said
            assert "Fatal" not in said, said


async def _ended(way: str, seed: int) -> tuple[int, int | None, str]:
    """Return the seed, the exit code and what the process said."""
    arguments = ("-X", "faulthandler", "-m", "tests.stopping.process", way, str(seed))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=PIPE, stderr=PIPE)
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 180)
    except TimeoutError:
        process.kill()
        raise
    return seed, process.returncode, (out + errors).decode()
