"""Parts of the engine on their own: backoff, digests, liveness."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import psutil
import pytest
from msgspec.structs import replace

from tests.engine.support import no_deadlines
from torpor import codec
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine import plan
from torpor.engine.liveness import _look, gone, machine, silent, worker_row
from torpor.errors import DivergenceError, GuestTrapError
from torpor.limits import LOG_LINE_CHARS_MAX
from torpor.model import Event, WorkerRow
from torpor.vm.guest import LogLine, Op

NOW = 1_700_000_000_000


def test_a_digest_tells_every_difference() -> None:
    """Ops that differ in one field have different digests; equal ops have equal ones."""
    op = Op(1, "step", NOW, "step//./a.py//f", "devl[]")
    others = [
        replace(op, n=2),
        replace(op, at=NOW + 1),
        replace(op, name="step//./a.py//g"),
        replace(op, input="devl[1]"),
        Op(1, "wait", NOW, due=NOW),
        Op(1, "hook", NOW, "t"),
        Op(1, "hook", NOW, "t", watch="wrun_1"),
        Op(1, "hook", NOW, "t", watch="wrun_2"),
    ]
    assert len({plan.digest(each, PLAIN) for each in [op, *others]}) == len(others) + 1
    assert plan.digest(op, PLAIN) == plan.digest(replace(op), PLAIN)


def test_a_digest_says_nothing_of_what_an_op_does_not_have() -> None:
    """A field that a later version gives to ops leaves the digests of recorded ops without it as they were."""
    plain = b'{"n":1,"type":"hook","at":5,"name":"t"}'
    assert plan.digest(Op(1, "hook", 5, "t"), PLAIN) == hashlib.blake2b(plain, digest_size=8).digest()


def test_a_watching_hook_names_the_run_and_not_the_guests_token() -> None:
    """Its token is made here, for people to read."""
    event = plan.record(Op(1, "hook", NOW, "mine", watch="wrun_child"), PLAIN, bytes(32), NOW, {}, no_deadlines)
    assert (event.type, event.name, event.ref) == ("hook_created", "$end:wrun_child", "wrun_child")
    event = plan.record(Op(1, "hook", NOW, "mine"), PLAIN, bytes(32), NOW, {}, no_deadlines)
    assert (event.name, event.ref) == ("mine", "")


def test_halves_of_surrogate_pairs_have_a_digest() -> None:
    """Texts may hold them, although JSON has no bytes for them; which one it is counts."""
    ops = [Op(1, "step", 5, "s", input=f'devl[{{"args":1}},[2],"{half}"]') for half in ("\ud800", "\udfff", "é")]

    assert len({plan.digest(op, PLAIN) for op in ops}) == 3
    assert plan.record(ops[0], PLAIN, b"", 5, {}, no_deadlines).payload is not None


@pytest.mark.parametrize(
    "op",
    [
        Op(7, "wait", NOW, due=NOW),
        Op(1, "wait", NOW, due=2**60),
        Op(1, "wait", -1, due=NOW),
        Op(1, "hook", NOW, ""),
        Op(1, "hook", NOW, "t" * 257),
        Op(1, "hook", NOW, "", watch="w" * 257),
        Op(1, "step", NOW, "", "devl[]"),
        Op(1, "step", NOW, "s" * 1025, "devl[]"),
    ],
)
def test_an_op_that_no_sound_guest_emits_is_refused(op: Op) -> None:
    """Workflow code that has spoiled its guest ends its run, by name, and nothing of the kind is stored."""
    with pytest.raises(GuestTrapError, match="run wrun_1: op 1"):
        plan.check_form("wrun_1", op, 1)


def test_disposing_of_what_is_no_hook_is_refused() -> None:
    """As above."""
    with pytest.raises(GuestTrapError, match="op 2 disposes of op 99, which is no hook"):
        plan.record(Op(2, "hook_dispose", NOW, target=99), PLAIN, bytes(32), NOW, {}, no_deadlines)


@pytest.mark.parametrize(
    "line", [LogLine(3, NOW, "info", ""), LogLine(2**70, NOW, "info", ""), LogLine(4, -1, "info", "")]
)
def test_log_lines_go_up(line: LogLine) -> None:
    """A number that was there, or that no database holds, is refused."""
    plan.check_line("wrun_1", LogLine(4, NOW, "info", ""), 3)
    with pytest.raises(GuestTrapError, match="a log line is numbered"):
        plan.check_line("wrun_1", line, 3)


def test_a_log_line_is_no_longer_than_guests_make_them() -> None:
    """What a guest cuts has the limit and a note; more can only come from code that has changed its guest."""
    plan.check_line(
        "wrun_1", LogLine(1, NOW, "info", "x" * LOG_LINE_CHARS_MAX + "… 1234 more characters were dropped"), 0
    )
    with pytest.raises(GuestTrapError, match="log line 1 has"):
        plan.check_line("wrun_1", LogLine(1, NOW, "info", "x" * LOG_LINE_CHARS_MAX * 2), 0)


def test_a_redo_that_differs_is_refused() -> None:
    """Another op, or one that the log does not have, is a divergence that names run and op."""
    op = Op(3, "step", NOW, "step//./a.py//f", "devl[]")
    plan.check_replay("wrun_1", op, PLAIN, plan.digest(op, PLAIN))
    with pytest.raises(DivergenceError, match="wrun_1: op 3"):
        plan.check_replay("wrun_1", op, PLAIN, b"12345678")
    with pytest.raises(DivergenceError, match="no record"):
        plan.check_replay("wrun_1", op, PLAIN, None)


def test_only_inputs_are_delivered() -> None:
    """An event that records is not delivered; a result is, with its text opened."""
    assert plan.delivery("wrun_1", Event("step_started", NOW, "step_1", op=1), PLAIN) is None
    found = plan.delivery("wrun_1", Event("step_completed", NOW, "step_1", op=1, payload=codec.dumps(5)), PLAIN)
    assert found is not None
    assert found.value == codec.unpack_devalue(codec.dumps(5))


def test_a_worker_is_gone_with_its_process() -> None:
    """Nobody waits for the lease of one whose process on this machine has ended, or whose pid is another's now."""
    mine = worker_row("wrkr_1", 10_000, "", "")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed = replace(mine, id="wrkr_2", pid=ended.pid)
    reused = replace(mine, id="wrkr_3", born=mine.born - 5_000)
    elsewhere = replace(killed, id="wrkr_4", machine="other")
    assert gone([mine, killed, reused, elsewhere]) == ["wrkr_2", "wrkr_3"]


def test_a_worker_elsewhere_is_silent_when_its_lease_has_passed() -> None:
    """Of a process that nobody here can see only the heartbeat tells."""
    heard = WorkerRow("wrkr_1", "other", os.getpid(), 1, lease_ms=10_000, silent_ms=10_000)
    assert silent([heard, replace(heard, id="wrkr_2", silent_ms=10_001)]) == ["wrkr_2"]


def test_a_process_that_hangs_here_is_spared_for_twenty_leases() -> None:
    """A step may hold its event loop up: it runs, and whoever took its work would do it twice."""
    row = replace(worker_row("wrkr_1", 1_000, "", ""), silent_ms=19_000)
    assert silent([row]) == []
    assert silent([replace(row, silent_ms=20_001)]) == ["wrkr_1"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_process_that_was_stopped_is_not_spared() -> None:
    """It does nothing that could be done twice, and may sleep for ever."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    assert sleeper.stdout is not None
    sleeper.stdout.readline()
    process = _look(sleeper.pid)
    assert process is not None
    row = replace(worker_row("wrkr_1", 1_000, "", ""), pid=sleeper.pid, born=process.born, silent_ms=1_001)
    try:
        assert silent([row]) == []
        os.kill(sleeper.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
        assert silent([row]) == ["wrkr_1"]
        assert gone([row]) == []
    finally:
        sleeper.kill()
        sleeper.wait()
        sleeper.stdout.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere psutil knows no boot time to be moved")
def test_a_clock_that_is_set_does_not_kill_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose process lives is not dead because the machine's clock was stepped by two seconds."""
    row = worker_row("wrkr_1", 15_000, "", "")
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 2)
    assert gone([row]) == []


def test_the_machine_has_an_identity() -> None:
    """Host, boot and pid namespace; the same whenever it is asked."""
    assert machine() == machine()
    assert machine().count("/") >= 1
