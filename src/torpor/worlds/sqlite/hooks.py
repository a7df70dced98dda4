"""Hooks: finding them by token or run, and handing them payloads."""

from __future__ import annotations

from typing import Final

from torpor.model import Hook, Notice
from torpor.worlds import ledger, refusals
from torpor.worlds.sqlite.codes import HOOK_STATUSES
from torpor.worlds.sqlite.draft import Draft
from torpor.worlds.sqlite.store import SHIFT, Store

_HOOKS: Final = (
    "SELECT r.id, h.id, e.op, h.token, h.status, e.at, e.payload, iif(h.watch IS NULL, '', e.ref), r.key, "
    "r.public, e.k FROM hooks h JOIN runs r ON r.k = h.run "
    f"JOIN events e ON e.k = h.run << {SHIFT} | h.seq"
)


def of_token(store: Store, token: str) -> Hook:
    """Answer :meth:`torpor.world.Hooks.hook`."""
    return _live(store, token)[0]


def of_run(store: Store, run_id: str) -> list[Hook]:
    """Answer :meth:`torpor.world.Hooks.hooks`."""
    key = store.key_of(run_id)
    return [
        Hook(owner, hook_id, op, token, HOOK_STATUSES[status], *rest)
        for owner, hook_id, op, token, status, *rest, _ in store.db.execute(
            f"{_HOOKS} WHERE h.run = ? ORDER BY e.op", (key,)
        )
    ]


def resume(
    store: Store, token: str, payload: bytes, resume_id: str, at: int, run_id: str | None
) -> tuple[Hook, Notice | None]:
    """Answer :meth:`torpor.world.Hooks.resume_hook`."""
    hook, key = _live(store, token)
    if run_id is not None and hook.run_id != run_id:
        raise refusals.hook_of_another(token, run_id)
    added = store.db.execute("INSERT OR IGNORE INTO resumes VALUES (?, ?)", (key, resume_id)).rowcount
    if not added:
        return hook, None
    draft = Draft(store, hook.run_id)
    draft.append(ledger.received(hook, payload, resume_id, at))
    draft.wake(at)
    draft.save()
    return hook, Notice(hook.run_id, work=True)


def _live(store: Store, token: str) -> tuple[Hook, int]:
    """Return the live hook with this token, and the key of the event that created it."""
    row = store.db.execute(f"{_HOOKS} WHERE h.token = ? AND h.status = 0 AND h.watch IS NULL", (token,)).fetchone()
    if row is None:
        raise refusals.hook_not_found(token)
    run_id, hook_id, op, _, status, *rest, key = row
    return Hook(run_id, hook_id, op, token, HOOK_STATUSES[status], *rest), int(key)
