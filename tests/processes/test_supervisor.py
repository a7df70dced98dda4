"""A supervisor of real processes that do no work: tests/processes/worker.py."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from torpor.processes import child, line
from torpor.processes.restarts import Restarts
from torpor.processes.supervisor import Supervisor
from torpor.retries import Backoff

WORKER = Path(__file__).with_name("worker.py")
TIMEOUT = 30


class Watched(Supervisor):
    """A supervisor that starts processes again without delay."""

    def __init__(self, folder: Path, count: int, *, gives_up: bool = True, quick_seconds: float = 3600) -> None:
        self.told: list[str] = []
        super().__init__(
            lambda descriptor: [sys.executable, str(WORKER), str(folder), "--line", str(descriptor)],
            count,
            self.told.append,
            gives_up=gives_up,
            restarts=lambda: Restarts(Backoff(first=0), quick_seconds=quick_seconds, most=3),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when *condition* holds, which changes as processes come and go."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():  # noqa: ASYNC110  # no event tells of all that these tests wait for
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not stop is killed soon."""
    monkeypatch.setattr(child, "STOP_SECONDS_MORE", 0.5)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Watched]:
    """A supervisor of two processes that are at work."""
    supervisor = Watched(tmp_path, 2)
    assert await supervisor.start() is None
    yield supervisor
    await supervisor.stop()


def begun(folder: Path) -> set[int]:
    """Return the ids of all processes that have ever begun."""
    return {int(path.name.partition("-")[2]) for path in folder.glob("process-*")}


async def test_processes_work_until_they_are_stopped(two: Watched) -> None:
    """Each is a process of its own; stopping leaves none, and may happen twice."""
    pids = two.pids
    assert len(two.at_work) == len(pids) == 2

    await asyncio.gather(two.stop(), two.stop())

    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert await two.run_over() == 0


async def test_lines_are_whole_and_say_whose(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a process prints in pieces is one line, behind the end of its worker's id or its own id."""
    supervisor = Watched(tmp_path, 2)
    await supervisor.start()
    await supervisor.stop()

    lines = capfd.readouterr().out.splitlines()
    assert sum(line.endswith("half a line, and the other half") for line in lines) == 2
    assert any(re.fullmatch(r"\d+  process \d+ begins", line) for line in lines)


async def test_a_killed_process_is_followed_by_another(two: Watched) -> None:
    """The signal is named; the other process is left alone."""
    killed, other = two.pids
    os.kill(killed, signal.SIGKILL)

    await two.until(lambda: len(two.at_work) == 2 and killed not in two.pids)
    assert other in two.pids
    [told] = two.told
    assert re.search(rf"\(process {killed}\) was killed by SIGKILL; another one is started in 0.0 s$", told)


async def test_a_process_that_ends_at_once_again_and_again_ends_all(tmp_path: Path) -> None:
    """Its exit code is the supervisor's, and the reason is told; the others are stopped."""
    supervisor = Watched(tmp_path, 2)
    running = asyncio.create_task(supervisor.run())
    await supervisor.until(lambda: len(supervisor.at_work) == 2)
    (tmp_path / "crash").write_text("7")
    os.kill(supervisor.pids[0], signal.SIGKILL)

    assert await asyncio.wait_for(running, TIMEOUT) == 7
    assert supervisor.pids == []
    assert re.search(r"ended with exit code 7, at once and again and again; all .* are stopped$", supervisor.told[-1])


async def test_the_exit_code_of_a_signal_is_the_shells(tmp_path: Path) -> None:
    """128 and its number."""
    (tmp_path / "refuse").write_text("1")
    supervisor = Watched(tmp_path, 1)
    assert supervisor.ended("a process", -9, Restarts(most=0), 0) is None
    assert await supervisor.run() == 128 + 9


async def test_what_is_asked_for_wrongly_is_not_asked_again(tmp_path: Path) -> None:
    """The first process ends with exit code 2 before it works: no other is started."""
    (tmp_path / "refuse").write_text("2")
    supervisor = Watched(tmp_path, 4)

    assert await supervisor.start() == 2
    assert len(begun(tmp_path)) == 1
    assert supervisor.told == []  # it has said why


async def test_a_first_process_that_cannot_work_is_tried_again_some_times(tmp_path: Path) -> None:
    """A database may not be there yet."""
    (tmp_path / "refuse").write_text("1")
    supervisor = Watched(tmp_path, 4, gives_up=False)

    assert await supervisor.start() == 1
    assert len(begun(tmp_path)) == 1 + 3


async def test_processes_are_kept_at_work_where_nobody_gives_up(tmp_path: Path) -> None:
    """Inside another program, however often they end."""
    supervisor = Watched(tmp_path, 1, gives_up=False)
    assert await supervisor.start() is None
    (tmp_path / "crash").write_text("7")
    os.kill(supervisor.pids[0], signal.SIGKILL)
    await supervisor.until(lambda: len(begun(tmp_path)) >= 8)
    (tmp_path / "crash").unlink()

    await supervisor.until(lambda: len(supervisor.at_work) == 1)
    assert not supervisor.is_over
    await supervisor.stop()


async def test_one_that_has_to_be_alone_is(tmp_path: Path) -> None:
    """The others are not started."""
    (tmp_path / "alone").touch()
    supervisor = Watched(tmp_path, 4)

    assert await supervisor.start() is None
    assert len(supervisor.pids) == 1
    assert supervisor.told == ["one process does all the work: because"]
    await supervisor.stop()


async def test_processes_are_replaced_one_after_the_other(two: Watched) -> None:
    """By as many new ones; nothing is told of ends that were wanted."""
    before = set(two.pids)

    assert await two.replace()

    assert len(two.at_work) == 2
    assert not before & set(two.pids)
    assert two.told == []


async def test_processes_whose_new_ones_do_not_come_to_work_go_on(two: Watched, tmp_path: Path) -> None:
    """A deploy that does not load replaces nobody."""
    before = two.pids
    (tmp_path / "refuse").write_text("1")

    assert not await two.replace()

    assert two.pids == before
    assert re.fullmatch(r"the new process \d+ ended with exit code 1; the old ones go on", two.told[-1])


async def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """After its grace period, told and with an exit code of its own."""
    (tmp_path / "stubborn").touch()
    supervisor = Watched(tmp_path, 1)
    await supervisor.start()
    supervisor.ask_to_stop()

    assert await supervisor.run_over() == 1
    assert "did not stop within its grace period and was killed" in supervisor.told[-1]


async def test_all_are_killed_at_once_when_asked(two: Watched, tmp_path: Path) -> None:
    """Nobody is waited for."""
    (tmp_path / "stubborn").touch()
    pids = two.pids
    stopping = asyncio.create_task(two.stop())
    two.kill()

    await asyncio.wait_for(stopping, TIMEOUT)
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_a_command_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    """As an end at once, with the system's reason."""
    told: list[str] = []
    supervisor = Supervisor(
        lambda _: [str(tmp_path / "nothing")], 1, told.append, restarts=lambda: Restarts(Backoff(first=0), most=1)
    )

    assert await supervisor.run() == 1
    assert "No such file or directory" in told[-1]


def test_a_line_longer_than_the_limit_is_passed_on_in_pieces(capfd: pytest.CaptureFixture[str]) -> None:
    """So that a process that never ends a line does not fill the memory."""

    async def feed() -> None:
        process = child.Child(lambda: False)
        process.pipe_data_received(1, b"x" * child.LINE_BYTES_MAX)
        assert capfd.readouterr().out == ""
        process.pipe_data_received(1, b"yy")
        process.pipe_data_received(1, b"z\n")

    asyncio.run(feed())
    assert [len(text) for text in capfd.readouterr().out.splitlines()] == [child.LINE_BYTES_MAX + 2, 1]


def test_messages_come_in_whatever_pieces() -> None:
    """A message is what stands between two ends of a line."""
    messages = line.Messages()
    data = b'\n{"type":"Alone","why":"x"}\n'

    assert [message for at in range(len(data)) for message in messages.feed(data[at : at + 1])] == [line.Alone("x")]
