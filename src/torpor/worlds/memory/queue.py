"""Claims of a memory world."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.model import ClaimRequest, Claims, Notice, Run, Step, Task
from torpor.worlds import claims
from torpor.worlds.flow import Waiting
from torpor.worlds.memory import flow
from torpor.worlds.memory.deadlines import expire
from torpor.worlds.memory.flow import Lanes
from torpor.worlds.memory.store import Rows, Store

T = TypeVar("T")


def claim(store: Store, request: ClaimRequest, clock: Clock) -> tuple[Claims, Notice | None]:
    """Answer :meth:`torpor.world.Queue.claim`."""
    now = clock.now()
    notice = expire(store, now)
    if request.worker_id not in store.workers:
        return Claims(known=False), notice
    deadlines = [at for at in (*store.deadlines.values(), *store.giving_up.values()) if at > now]
    lanes = Lanes(store, request.worker_id, now)
    turns, turns_at = _choose(
        now,
        request.turns_max,
        [
            (rows.run.ready_at, (-rows.run.priority, rows.run.queued_at, rows.n), rows, _lane_of_turn(rows.run))
            for rows in store.ready_turns()
            if claims.fits_turn(request, rows.run)
        ],
        lanes,
    )
    steps, steps_at = _choose(
        now,
        request.steps_max,
        [
            (
                step.ready_at,
                (-rows.run.priority, step.queued_at, rows.n, step.seq),
                (rows, step),
                _lane_of_step(rows.run, step),
            )
            for rows, step in store.ready_steps()
            if claims.fits_step(request, rows.run, step)
        ],
        lanes,
    )
    tasks = [_claim_turn(store, rows, request.worker_id, lanes) for rows in turns]
    tasks += [_claim_step(store, rows, step, request, now, lanes) for rows, step in steps]
    retry_at = lanes.save()
    full = 0 < request.turns_max == len(turns) or 0 < request.steps_max == len(steps)
    later = turns_at + steps_at + deadlines + ([] if retry_at is None else [retry_at])
    return Claims(tasks, None if full else min(later, default=None)), notice


def _claim_turn(store: Store, rows: Rows, worker_id: str, lanes: Lanes) -> Task:
    lanes.claimed(rows.run)
    asleep = flow.state_of(store, (rows.run.app, rows.run.queue)).limits.asleep
    store.put_run(claims.claim(rows.run, worker_id, asleep))
    return claims.turn_task(rows.run, rows.log)


def _claim_step(store: Store, rows: Rows, step: Step, request: ClaimRequest, now: int, lanes: Lanes) -> Task:
    lanes.claimed(rows.run, step)
    claimed = claims.claim_step(step, request, now)
    store.put_step(claimed)
    return claims.step_task(rows.run, replace(claimed, input=rows.input_of(step)))


def _lane_of_turn(run: Run) -> tuple[flow.Name, str, int] | None:
    """Return the queue in which a run waits for a slot, its key and its weight; None when it waits for none."""
    return ((run.app, run.queue), run.key, 1) if run.slot == "waits" else None


def _lane_of_step(run: Run, step: Step) -> tuple[flow.Name, str, int] | None:
    place = step.place
    return None if place is None else ((run.app, place.queue), place.key, place.weight)


def _choose(
    now: int,
    most: int,
    found: Iterable[tuple[int | None, tuple[int, ...], T, tuple[flow.Name, str, int] | None]],
    lanes: Lanes,
) -> tuple[list[T], list[int]]:
    """
    Return those that come first, and when the others become ready; nothing when *most* is 0.

    Args:
        now: what is ready by then is ready.
        most: how many are wanted.
        found: what there is, with when it becomes ready, its place in the queue, and the lane that it waits in.
        lanes: those queues.
    """
    if not most:
        return [], []
    ready: list[tuple[tuple[int, ...], T]] = []
    waiting: list[tuple[flow.Name, Waiting[T]]] = []
    later: list[int] = []
    for ready_at, place, item, lane in found:
        if ready_at is None:
            continue
        if ready_at > now:
            if lane is None or not lanes.is_full(lane[0]):
                later.append(ready_at)
        elif lane is None:
            ready.append((place, item))
        else:
            name, key, weight = lane
            waiting.append((name, Waiting(place[0], key, place[1:], weight, item)))
    ready += [((each.rank, *each.place), each.item) for each in lanes.chosen(waiting, most)]
    ready.sort(key=lambda one: one[0])
    return [item for _, item in ready[:most]], later
