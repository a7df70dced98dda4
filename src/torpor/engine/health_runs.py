"""
Health runs: who asks whether the work of a queue is taken starts a run that has no program.

It travels as any other run does: through its queue, its claim and a turn's commits. The worker that has claimed it
needs no VM for it, and says who it is.
"""

from __future__ import annotations

from typing import Final

from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine.moves import Requests
from torpor.model import Event

WORKFLOW: Final = "workflow//torpor//health"
"""What health runs are runs of; no workflow of a user has such a name, since those carry the path of a file."""

GUEST: Final = "health"
"""In place of a guest: who claims these runs answers them. Workers before version 0.2.0 leave them alone."""


def answer(worker_id: str, at: int, run_codec: RunCodec) -> Requests:
    """Return, in place of what a VM asks for, the end of a health run: its result is the worker's id."""
    ending = Event("run_completed", at, payload=run_codec.dumps(worker_id))
    return Requests((ending,), 0, 0, (), ended=True, awaits_ack=False)
