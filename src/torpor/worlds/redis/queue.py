"""
Claiming: what is ready, and who gets it.

A claim looks along its routes, each a pair of sorted sets: what is ready, in the order in which it is taken, and what
is ready later, in the order of time. Then each that it takes is stored on its own, if it is still as it was found: who
was too late for one has the others. What waits for slots of queues is taken together, or not at all.

The rows say when something is ready, and the sets only where it was put: what a look has put among what is ready goes
back when the clock was set back since.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace

from torpor.errors import DamagedError
from torpor.model import NOW, ClaimRequest, Claims, Event, Notice, Run, Step, Task
from torpor.worlds import claims
from torpor.worlds.flow import Waiting
from torpor.worlds.redis.changes import save_run, save_task, spot_of_step, spot_of_turn
from torpor.worlds.redis.connection import sound
from torpor.worlds.redis.deadlines import expire, first_of, next_deadline
from torpor.worlds.redis.draft import Draft
from torpor.worlds.redis.flow import Lanes, Place
from torpor.worlds.redis.keys import Keys, Route, is_place, place_of
from torpor.worlds.redis.rows import pack_list, routes_of, unpack
from torpor.worlds.redis.store import NUMBER, VERSION, RunRow, Store, events_of
from torpor.worlds.server_times import Times

_TRIES_MAX: Final = 20
_ASIDE_MS: Final = 300_000


class _Found:
    """
    Something that is ready.

    Attributes:
        place: its place in the queue.
        route: where it was.
        key: of whom it is in its lane.
        member: what stands for it there.
        run_id, step_id: which.
        row, step: as they stand; None for a turn.
        stored: the step's row as bytes.
    """

    __slots__ = ("key", "member", "place", "route", "row", "run_id", "step", "step_id", "stored")

    def __init__(self, route: Route, key: str, member: bytes) -> None:
        self.place, self.run_id, self.step_id = place_of(member)
        self.route = route
        self.key = key
        self.member = member
        self.row: RunRow | None = None
        self.step: Step | None = None
        self.stored = b""


def claim(store: Store, request: ClaimRequest, times: Times) -> tuple[Claims, Notice | None]:
    """Answer :meth:`torpor.world.Queue.claim`."""
    notice: Notice | None = None
    tasks: list[Task] = []
    wanted = request
    for tries in range(_TRIES_MAX):
        now, worker, first, routes = _look_around(store, wanted, times)
        if worker is not None and first is not None and first <= now and not tries:
            notice = expire(store, now)
            now, worker, first, routes = _look_around(store, wanted, times)
        if worker is None:
            return Claims(known=False), notice
        look = _Look(store, wanted, routes, now)
        some, missed = _take(store, wanted, look, worker, now)
        tasks += some
        if not missed:
            later = [*look.later, *(at for at in (first, look.lanes.retry_at) if at is not None)]
            return Claims(tasks, None if look.is_full else min(later, default=None)), notice
        wanted = _rest(wanted, some)
    return Claims(tasks, NOW), notice


def _rest(request: ClaimRequest, tasks: list[Task]) -> ClaimRequest:
    """Return what is still asked for."""
    turns = sum(task.kind == "turn" for task in tasks)
    steps = len(tasks) - turns
    return replace(request, turns_max=request.turns_max - turns, steps_max=request.steps_max - steps)


def _look_around(
    store: Store, request: ClaimRequest, times: Times
) -> tuple[int, bytes | None, int | None, list[tuple[Route, bytes]]]:
    """Return the time, the row of the worker, the next deadline, and the routes that fit a request."""
    now = times.asked
    asked = [] if now is not None else [("TIME",)]
    worker, packed, *rest = store.connection.ask(
        ("HGET", store.keys.workers, request.worker_id.encode()),
        ("ZRANGE", store.keys.routes, 0, -1),
        *next_deadline(store),
        *asked,
    )
    if now is None:
        seconds, micros = rest[2]
        now, _ = times.told(int(seconds) * 1000 + int(micros) // 1000, 0)
    routes = [each for each in routes_of(packed) if _fits(request, each[0])]
    return now, worker, first_of(*rest[:2]), routes


def _fits(request: ClaimRequest, route: Route) -> bool:
    if route.app not in request.apps or route.key_id not in request.key_ids:
        return False
    if request.queues is not None and route.queue not in request.queues:
        return False
    if route.kind == "t":
        return bool(request.turns_max) and route.what in request.guests
    return bool(request.steps_max) and route.what in request.steps


class _Look:
    """
    What a look along routes tells.

    Attributes:
        lanes: queues with limits among them.
        turns, steps: what is to be claimed.
        later: when there may be more.
        astray: drafts that take what is not there any more, is damaged, or is ready later, from its place, if it is
            still so.
        is_full: as much as was asked for was found.
    """

    def __init__(self, store: Store, request: ClaimRequest, routes: list[tuple[Route, bytes]], now: int) -> None:
        self._store = store
        self._request = request
        self._now = now
        self.lanes = Lanes(store, request.worker_id, [each for each in routes if each[0].lane], now)
        self.later: list[int] = []
        self.astray: list[Draft] = []
        places: list[Place] = [(route, packed, "") for route, packed in routes if not route.lane]
        places += [place for place in self.lanes.places if not self.lanes.is_full(place[0])]
        found = self._read(self._find(places))
        self.turns = self._chosen([each for each in found if not each.step_id], request.turns_max)
        self.steps = self._chosen([each for each in found if each.step_id], request.steps_max)
        full_of_turns = 0 < request.turns_max == len(self.turns)
        self.is_full = full_of_turns or 0 < request.steps_max == len(self.steps)

    def _find(self, places: list[Place]) -> list[_Found]:
        if not places:
            return []
        keys, left = self._store.keys, self._request.left
        names: list[bytes] = []
        for route, packed, key in places:
            of_place = (keys.of("ready", packed, key), keys.of("later", packed, key))
            names += [*of_place, keys.of("keys", packed) if route.lane else keys.routes]
        most = max(self._request.turns_max, self._request.steps_max) + len(left)
        answers = self._store.connection.look(
            names, [key.encode() if route.lane else packed for route, packed, key in places], self._now, most,
            1 + len(left),
        )  # fmt: skip
        found = []
        for n, (route, _, key) in enumerate(places):
            ready, later = answers[2 * n], answers[2 * n + 1]
            its = [_Found(route, key, member) for member in ready if is_place(member)]
            foreign = [member for member in (*ready, *later[::2]) if not is_place(member)]
            if foreign:
                self.astray.append(_without(self._store, route, key, foreign))
            found += [each for each in its if not each.step_id or each.step_id not in left]
            times = zip(later[::2], later[1::2], strict=True)
            times_of = [(place_of(member)[2], at) for member, at in times if is_place(member)]
            self.later += [int(float(at)) for step_id, at in times_of if step_id not in (left or ("-",))][:1]
        return found

    def _read(self, found: list[_Found]) -> list[_Found]:
        """Read the rows of what was found; what is not as its place says is gone by now."""
        if not found:
            return []
        found = self._first(found)
        keys = self._store.keys
        asked: list[tuple[Any, ...]] = []
        for each in found:
            step = each.step_id.encode()
            asked += [
                self._store.asked_run(each.run_id),
                ("HGET", keys.of("steps", each.run_id), step),
                ("HGET", keys.of("progress", each.run_id), step),
                ("HGET", keys.of("inputs", each.run_id), step),
            ]
        answers = self._store.connection.ask_each(*asked)
        there = []
        for n, each in enumerate(found):
            its = answers[4 * n : 4 * n + 4]
            try:
                ready_at = self._ready_at(each, *sound(its))
            except DamagedError:
                self.astray.append(_aside(self._store, each, self._now))
                continue
            if ready_at is not None and ready_at <= self._now:
                there.append(each)
            else:
                self.astray.append(_away(self._store, each, its[0][3], its[1], ready_at))
        return there

    def _first(self, found: list[_Found]) -> list[_Found]:
        """Return those that may come first: of what waits in no lane so many as are wanted."""
        kept = [each for each in found if each.route.lane]
        for kind, most in (("t", self._request.turns_max), ("s", self._request.steps_max)):
            plain = [each for each in found if each.route.kind == kind and not each.route.lane]
            kept += sorted(plain, key=lambda each: each.place)[:most]
        return kept

    def _ready_at(self, each: _Found, run: list[bytes | None], step: Any, progress: Any, its_input: Any) -> int | None:
        """
        Note the rows of what was found; return when it is ready, None when it is not there as its place says.

        Raises:
            DamagedError: they cannot be read.
        """
        row = self._store.run_found(each.run_id, run)
        if row is None or (each.step_id and step is None):
            return None
        spot = spot_of_turn(row.n, row.run)
        if each.step_id:
            task = unpack(step, Step, f"step {each.step_id}", each.run_id)
            spot = spot_of_step(row.n, row.run, task)
            each.step, each.stored = self._store.with_kept(task, its_input, progress), step
        each.row = row
        return spot[3] if spot is not None and spot[:3] == (each.route, each.key, each.member) else None

    def _chosen(self, found: list[_Found], most: int) -> list[_Found]:
        ready = [(each.place, each) for each in found if not each.route.lane]
        waiting = [((each.route.app, each.route.queue), _waiting(each)) for each in found if each.route.lane]
        if most:
            ready += [((each.rank, *each.place), each.item) for each in self.lanes.chosen(waiting, most)]
        return [each for _, each in sorted(ready, key=lambda one: one[0])[:most]]


def _away(store: Store, each: _Found, version: bytes | None, step: bytes | None, ready_at: int | None) -> Draft:
    """
    Return what takes something from its place that is not as this says, unless somebody changes it.

    Args:
        store: where it is.
        each: what was found.
        version: of its run.
        step: its row, if it is a step task.
        ready_at: when it will be ready at that place; None if it is not to be there at all.
    """
    draft, keys = Draft(store.connection), store.keys
    draft.expect(store.run_key(each.run_id), VERSION, version)
    if each.step_id:
        draft.expect(keys.of("steps", each.run_id), each.step_id.encode(), step)
    _put_elsewhere(draft, keys, each, ready_at)
    return draft


def _without(store: Store, route: Route, key: str, foreign: list[bytes]) -> Draft:
    """Return what takes members from a place that nobody of us has put there: they would be looked at for ever."""
    draft, place = Draft(store.connection), pack_list(route)
    for member in foreign:
        for kind in ("ready", "later"):
            draft.remove(store.keys.of(kind, place, key), member)
    return draft


def _aside(store: Store, each: _Found, now: int) -> Draft:
    """Return what lets something damaged wait for some minutes: others come first, and it goes on once mended."""
    draft = Draft(store.connection)
    _put_elsewhere(draft, store.keys, each, now + _ASIDE_MS)
    return draft


def _put_elsewhere(draft: Draft, keys: Keys, each: _Found, ready_at: int | None) -> None:
    place = pack_list(each.route)
    for kind in ("ready", "later"):
        draft.remove(keys.of(kind, place, each.key), each.member)
    if ready_at is not None:
        draft.add(keys.of("later", place, each.key), ready_at, each.member)


def _waiting(each: _Found) -> Waiting[_Found]:
    place = each.step.place if each.step is not None else None
    return Waiting(each.place[0], each.key, each.place[1:], 1 if place is None else place.weight, each)


def _take(store: Store, request: ClaimRequest, look: _Look, worker: bytes, now: int) -> tuple[list[Task], bool]:
    """Claim what was found; return the tasks, and whether somebody was quicker with something."""
    created = _created(store, look.turns)
    drafts: list[tuple[Draft, list[Task]]] = []
    together, tasks_together = Draft(store.connection), list[Task]()
    for each in (*look.turns, *look.steps):
        assert each.row is not None, "it was read"
        is_laned = each.route.lane
        store.begin()
        store.draft = together if is_laned else Draft(store.connection)
        store.draft.expect(store.keys.workers, request.worker_id.encode(), worker)
        look.lanes.claimed(each.row.run, each.step)
        try:
            task = _claim(store, request, look.lanes, each, created.get(each.run_id, []), now)
        except DamagedError:
            drafts.append((_aside(store, each, now), []))
            continue
        if is_laned:
            tasks_together.append(task)
        else:
            drafts.append((store.draft, [task]))
    if tasks_together:
        look.lanes.save(together)
        drafts.append((together, tasks_together))
    store.begin()
    drafts += [(draft, []) for draft in look.astray]
    if not drafts:
        return [], False
    stored = store.connection.store(store.keys.news, b"", [draft.group() for draft, _ in drafts])
    tasks = [task for (_, its), what in zip(drafts, stored, strict=True) if what == "stored" for task in its]
    damaged = [draft for (draft, _), what in zip(drafts, stored, strict=True) if what == "damaged"]
    if damaged:
        _set_aside(store, look, damaged, now)
    order = {(each.run_id, each.step_id): n for n, each in enumerate((*look.turns, *look.steps))}
    return sorted(tasks, key=lambda task: order[task.run_id, task.step_id]), bool(look.astray) or {*stored} != {
        "stored"
    }


def _set_aside(store: Store, look: _Look, damaged: list[Draft], now: int) -> None:
    """Let wait what could not be claimed because something of its run is damaged."""
    runs = {store.damage_of(draft.wanted()).run_id for draft in damaged}
    aside = [_aside(store, each, now).group() for each in (*look.turns, *look.steps) if each.run_id in runs]
    if aside:
        store.connection.store(store.keys.news, b"", aside)


def _created(store: Store, turns: Iterable[_Found]) -> dict[str, list[Event]]:
    """Return the logs of runs that nobody has touched yet."""
    untouched = [each.run_id for each in turns if each.row is not None and claims.is_untouched(each.row.run)]
    asked = [("LRANGE", store.keys.of("log", run_id), 0, 0) for run_id in untouched]
    found: dict[str, list[Event]] = {}
    for run_id, log in zip(untouched, store.connection.ask_each(*asked) if asked else [], strict=True):
        with suppress(DamagedError):  # whoever has the turn finds it damaged
            found[run_id] = events_of(run_id, *sound([log]))
    return found


def _claim(store: Store, request: ClaimRequest, lanes: Lanes, each: _Found, created: list[Event], now: int) -> Task:
    row, step = each.row, each.step
    assert row is not None, "it was read"
    run: Run = row.run
    key = store.run_key(run.id)
    if step is None:
        store.draft.expect(key, VERSION, row.version)
        claimed = claims.claim(run, request.worker_id, lanes.asleep_of(run))
        save_run(store, row, run, claimed)
        return claims.turn_task(claimed, created)
    store.draft.expect(key, NUMBER, b"%d" % row.n)
    store.draft.expect(store.keys.of("steps", run.id), step.id.encode(), each.stored)
    its_input = step.input if step.input is not None else store.payloads(run, (step.seq,))[step.seq]
    taken = claims.claim_step(store.with_kept(step, its_input, step.progress), request, now)
    save_task(store, row, step, taken)
    return claims.step_task(run, taken)
