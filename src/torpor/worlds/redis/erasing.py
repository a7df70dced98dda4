"""Taking runs away that have ended."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from torpor.worlds.redis import tenants
from torpor.worlds.redis.changes import index_step, save_run
from torpor.worlds.redis.keys import joined
from torpor.worlds.redis.store import Store
from torpor.worlds.requests import Erase

_BARE: Final = ("steps", "progress", "inputs", "waits", "hooks", "lines", "snapshot", "watchers", "usage")
_NAME: Final = ("run", "log", "messages", "resumed-by", "reserved-by")


def erase(store: Store, request: Erase) -> bool:
    """
    Answer :class:`torpor.worlds.requests.Erase`. All goes at once: the server gives memory back behind the operation.
    """
    draft, keys, run = store.draft, store.keys, request.run
    run_id = run.id.encode()
    entities = store.load(run.id)
    if entities is None:
        return True
    row = store.runs[run.id]
    tenants.settle(store, run.id)
    for step in entities.steps.values():
        index_step(draft, keys, row.n, run, step, None)
    for hook in entities.hooks.values():  # of one that has gone to another world they may be live
        if hook.status == "live":
            if hook.watch:
                draft.drop(keys.of("watchers", hook.watch), [joined(run.id, hook.id)])
            else:
                draft.drop(keys.tokens, [hook.token.encode()])
    [streams] = store.connection.ask(("HKEYS", keys.of("streams", run.id)))
    draft.unlink([keys.of(kind, run.id) for kind in _BARE])
    draft.unlink([keys.of(kind, run.id, name) for name in streams for kind in ("chunks", "writers")])
    draft.unlink([keys.of("streams", run.id)])
    if request.keep_name:
        draft.trim(keys.of("log", run.id), -1)
        save_run(store, row, run, replace(run, base=run.head - 1))
        return True
    resumed, reserved = store.connection.ask(
        ("HKEYS", keys.of("resumed-by", run.id)), ("HKEYS", keys.of("reserved-by", run.id))
    )
    draft.drop(keys.resumed, [known for known in resumed if draft.get(keys.resumed, known) == run_id])
    draft.drop(keys.reserved, [token for token in reserved if _is_of(draft.get(keys.reserved, token), run_id)])
    for key in (keys.runs, keys.ids, keys.ended, keys.deadlines, keys.of("status", run.status)):
        draft.remove(key, run_id)
    if run.parent:
        draft.drop(keys.of("children", run.parent), [run_id])
    draft.unlink([keys.of(kind, run.id) for kind in _NAME])
    return True


def _is_of(reservation: bytes | None, run_id: bytes) -> bool:
    return reservation is not None and reservation.partition(b" ")[2] == run_id
