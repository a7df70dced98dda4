"""Parts of the engine on their own: backoff, digests, liveness."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torpor import codec
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine import plan
from torpor.engine.liveness import dead_workers, machine, worker_row
from torpor.engine.retry import Backoff
from torpor.errors import DivergenceError, GuestTrapError
from torpor.limits import LOG_LINE_CHARS_MAX
from torpor.model import Event
from torpor.vm.guest import LogLine, Op

NOW = 1_700_000_000_000


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_to_its_ceiling(failures: int, draw: float) -> None:
    """A delay is between half and all of the exponential, and never above the longest."""
    backoff = Backoff(first=0.2, factor=2, most=60)
    exponential = min(60.0, 0.2 * 2 ** min(failures - 1, 64))
    assert exponential * 500 - 1 <= backoff.delay_ms(failures, draw) <= exponential * 1000


def test_a_digest_tells_every_difference() -> None:
    """Ops that differ in one field have different digests; equal ops have equal ones."""
    op = Op(1, "step", NOW, "step//./a.py//f", "devl[]")
    others = [
        msgspec.structs.replace(op, n=2),
        msgspec.structs.replace(op, at=NOW + 1),
        msgspec.structs.replace(op, name="step//./a.py//g"),
        msgspec.structs.replace(op, input="devl[1]"),
        Op(1, "wait", NOW, due=NOW),
        Op(1, "hook", NOW, "t"),
        Op(1, "hook", NOW, "t", watch="wrun_1"),
        Op(1, "hook", NOW, "t", watch="wrun_2"),
    ]
    assert len({plan.digest(each, PLAIN) for each in [op, *others]}) == len(others) + 1
    assert plan.digest(op, PLAIN) == plan.digest(msgspec.structs.replace(op), PLAIN)


def test_a_digest_says_nothing_of_what_an_op_does_not_have() -> None:
    """A field that a later version gives to ops leaves the digests of recorded ops without it as they were."""
    plain = b'{"n":1,"type":"hook","at":5,"name":"t"}'
    assert plan.digest(Op(1, "hook", 5, "t"), PLAIN) == hashlib.blake2b(plain, digest_size=8).digest()


def test_a_watching_hook_names_the_run_and_not_the_guests_token() -> None:
    """Its token is made here, for people to read."""
    event = plan.record(Op(1, "hook", NOW, "mine", watch="wrun_child"), PLAIN, bytes(32), NOW, {})
    assert (event.type, event.name, event.ref) == ("hook_created", "$end:wrun_child", "wrun_child")
    event = plan.record(Op(1, "hook", NOW, "mine"), PLAIN, bytes(32), NOW, {})
    assert (event.name, event.ref) == ("mine", "")


def test_halves_of_surrogate_pairs_have_a_digest() -> None:
    """Texts may hold them, although JSON has no bytes for them; which one it is counts."""
    ops = [Op(1, "step", 5, "s", input=f'devl[{{"args":1}},[2],"{half}"]') for half in ("\ud800", "\udfff", "é")]

    assert len({plan.digest(op, PLAIN) for op in ops}) == 3
    assert plan.record(ops[0], PLAIN, b"", 5, {}).payload is not None


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
        plan.record(Op(2, "hook_dispose", NOW, target=99), PLAIN, bytes(32), NOW, {})


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
    assert plan.delivery(Event("step_started", NOW, "step_1", op=1), PLAIN) is None
    found = plan.delivery(Event("step_completed", NOW, "step_1", op=1, payload=codec.dumps(5)), PLAIN)
    assert found is not None
    assert found.value == codec.unpack_devalue(codec.dumps(5))


def test_this_process_is_alive_and_a_dead_one_is_not() -> None:
    """A worker on this machine lives as long as its process, whatever its lease says elsewhere."""
    mine = worker_row("wrkr_1", NOW, 10_000)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = msgspec.structs.replace(mine, id="wrkr_2", pid=ended.pid)
    reused = msgspec.structs.replace(mine, id="wrkr_3", born=mine.born - 5_000)
    silent = msgspec.structs.replace(mine, id="wrkr_4", until=NOW - 1)
    elsewhere = msgspec.structs.replace(mine, id="wrkr_5", machine="other", pid=os.getpid())
    lapsed = msgspec.structs.replace(elsewhere, id="wrkr_6", until=NOW - 1)
    assert dead_workers([mine, gone, reused, silent, elsewhere, lapsed], "wrkr_0", NOW) == [
        "wrkr_2",
        "wrkr_3",
        "wrkr_4",
        "wrkr_6",
    ]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere psutil knows no boot time to be moved")
def test_a_clock_that_is_set_does_not_kill_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose process lives is not dead because the machine's clock was stepped by two seconds."""
    row = worker_row("wrkr_1", NOW, 15_000)
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 2)
    assert dead_workers([row], "wrkr_0", NOW) == []


def test_a_worker_never_calls_itself_dead() -> None:
    """Its own row does not count, even when its lease has passed."""
    assert dead_workers([worker_row("wrkr_1", NOW, -1)], "wrkr_1", NOW) == []


def test_the_machine_has_an_identity() -> None:
    """Host, boot and pid namespace; the same whenever it is asked."""
    assert machine() == machine()
    assert machine().count("/") >= 1
