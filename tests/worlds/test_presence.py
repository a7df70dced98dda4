"""Who counts as gone: the rule, with no server behind it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.model import GONE_MS, WorkerRow
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import worker_row
from torpor.worlds.presence import Presence


class _Looker:
    """One who looks at a worker, by a clock of his own."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.presence = Presence()
        self.worker = replace(worker_row(), presence="there", seen_at=7)

    def look(self, *, is_there: bool | None, shows: int | None = None) -> WorkerRow:
        """Return what comes of a look at the worker."""
        before = self.presence.shows if shows is None else shows
        [judged] = self.presence.judge([(self.worker, is_there)], self.clock, before)
        return judged


@pytest.fixture
def looker() -> _Looker:
    """Return one who has missed somebody for almost two seconds."""
    made = _Looker()
    made.presence.show("server")
    assert made.look(is_there=False).gone_ms == 0
    made.clock.advance(GONE_MS - 1)
    assert not made.look(is_there=False).expired
    return made


def test_who_is_gone_for_two_seconds_counts_as_dead(looker: _Looker) -> None:
    """Not a moment earlier, and however long the lease is."""
    looker.clock.advance(1)
    assert looker.look(is_there=False).expired


def test_what_nobody_can_know_is_left_to_the_lease(looker: _Looker) -> None:
    """The server that is asked now is none that was shown anything, as after a restart."""
    assert looker.look(is_there=None).gone_ms is None
    looker.clock.advance(1)
    assert looker.look(is_there=False).gone_ms == 0


def test_who_lost_his_own_connection_judges_nobody(looker: _Looker) -> None:
    """Until he has it again; from then on he counts anew."""
    looker.presence.lose()
    looker.clock.advance(1)
    assert looker.look(is_there=False).gone_ms is None
    looker.presence.show("server")
    assert looker.look(is_there=False).gone_ms == 0
    looker.clock.advance(GONE_MS)
    assert looker.look(is_there=False).expired


def test_a_sign_of_life_begins_anew(looker: _Looker) -> None:
    """Its connection is still gone."""
    looker.worker = replace(looker.worker, seen_at=8)
    looker.clock.advance(1)
    assert looker.look(is_there=False).gone_ms == 0


def test_who_is_not_seen_himself_shows_nothing_any_more() -> None:
    """A pooler has given his session to somebody else: others must not wait for what does not come back."""
    looker = _Looker()
    looker.worker = replace(looker.worker, presence=looker.presence.id)
    looker.presence.show("server")
    looker.look(is_there=True)
    assert looker.presence.shown_to == "server"
    looker.look(is_there=False)
    assert looker.presence.shown_to == ""


def test_who_is_back_since_the_look_is_seen() -> None:
    """The look was at the moment in which his connection was gone; he shows himself again by now."""
    looker = _Looker()
    looker.worker = replace(looker.worker, presence=looker.presence.id)
    looker.presence.show("server")
    shows = looker.presence.shows
    looker.presence.lose()
    looker.presence.show("server")
    looker.look(is_there=False, shows=shows)
    assert looker.presence.shown_to == "server"
