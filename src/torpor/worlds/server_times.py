"""
The clock of a database's server, which decides about the world that it keeps.

Who is asked often, as a turn is, reckons the server's time from a clock of its own that does not jump and from how far
the two are apart, which is measured anew with every look for work and every sign of life.
"""

from __future__ import annotations

from typing import Protocol

from torpor.clock import Clock, SystemClock
from torpor.worlds.presence import Presence


class ServerClock(SystemClock):
    """The server's clock, as well as this process knows it."""

    def __init__(self) -> None:
        self._apart = super().now() - self.steady()  # until the server has told

    def now(self) -> int:
        return self.steady() + self._apart

    def learn(self, now: int) -> None:
        """Take note of the time that the server has just told."""
        self._apart = now - self.steady()


class Times(Protocol):
    """
    What decides about time in a world.

    Attributes:
        presence: who was there, and is not any more.
    """

    presence: Presence

    @property
    def clock(self) -> Clock:
        """The clock, as well as this process knows it."""
        ...

    @property
    def asked(self) -> int | None:
        """The time to put into a statement, None for the server's own."""
        ...

    def told(self, now: int, started_at: int) -> tuple[int, int]:
        """
        Return the time, and the moment from which silence is measured, given what the server has answered.

        Nobody was silent before the server was there to hear it.
        """
        ...

    def beat(self, now: int) -> int:
        """Return what is stored of a sign of life that comes now."""
        ...

    def silence(self, now: int, beat: int, started_at: int) -> int:
        """Return how long ago a sign of life was, in milliseconds."""
        ...


class ServerTimes:
    """The server's."""

    def __init__(self) -> None:
        self._clock = ServerClock()
        self.presence = Presence()

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def asked(self) -> int | None:
        return None

    def told(self, now: int, started_at: int) -> tuple[int, int]:
        self._clock.learn(now)
        return now, started_at

    def beat(self, now: int) -> int:
        return now

    def silence(self, now: int, beat: int, started_at: int) -> int:
        return max(0, now - max(beat, started_at))


class GivenTimes:
    """Those of a clock that somebody gave, as tests do."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.presence = Presence()

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def asked(self) -> int | None:
        return self._clock.now()

    def told(self, now: int, started_at: int) -> tuple[int, int]:
        return self._clock.now(), 0

    def beat(self, now: int) -> int:
        return self._clock.steady()

    def silence(self, now: int, beat: int, started_at: int) -> int:
        return self._clock.steady() - beat
