"""What a world behind a URL knows of its server's time."""

from __future__ import annotations

import pytest

from torpor.clock import SystemClock
from torpor.worlds.http.clock import ServerClock

HOUR = 3_600_000


class Machine:
    """This machine's time, as the test says."""

    at = 1_000_000

    def now(self, *_: object) -> int:
        return self.at

    def after(self, ms: int) -> int:
        """Return the time of a question whose answer takes so long from now on."""
        asked, self.at = self.at, self.at + ms
        return asked


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose two clocks show the same."""
    made = Machine()
    for name in ("now", "steady"):
        monkeypatch.setattr(SystemClock, name, made.now)
    return made


def test_an_exact_answer_is_believed_longer(machine: Machine) -> None:
    """One that took long says little; a minute later it says more than the old one."""
    clock = ServerClock()
    clock.sample(machine.after(2), machine.at + 5_000)
    assert clock.now() == machine.at + 5_001
    clock.sample(machine.after(400), machine.at + 5_100)
    assert clock.now() == machine.at + 5_001
    machine.at += 61_000
    clock.sample(machine.after(400), machine.at + 5_100)
    assert clock.now() == machine.at + 5_300


@pytest.mark.parametrize("ahead", [HOUR, -HOUR, 1_000])
def test_a_clock_that_is_set_is_noticed_at_once(machine: Machine, ahead: int) -> None:
    """However exact the answer was that was believed: both cannot be true."""
    clock = ServerClock()
    clock.sample(machine.after(0), machine.at)
    clock.sample(machine.after(10), machine.at + ahead)
    assert abs(clock.now() - machine.at - ahead) <= 5
