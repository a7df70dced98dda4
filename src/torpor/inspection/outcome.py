"""What became of a run, as bytes of the codec: for those who read values themselves."""

from __future__ import annotations

import msgspec

from torpor import codec
from torpor.client import Client
from torpor.engine.endings import ended_by_world, read_ending
from torpor.lifecycle import RUN_TERMINAL
from torpor.run_info import RunInfo, read_info


class Outcome(msgspec.Struct, frozen=True):
    """
    How a run stands, and the envelope of what it returned or raised.

    Attributes:
        run: the run.
        envelope: as the codec reads it; encrypted as it is stored when it was not to be opened; None before the end,
            and when the run was cancelled.
    """

    run: RunInfo
    envelope: bytes | None = None


async def read_outcome(client: Client, run_id: str, *, decrypt: bool) -> Outcome:
    """
    Return what became of a run, without waiting.

    Raises:
        RunNotFoundError: no such run.
        KeyMissingError, DecryptionError: it is to be decrypted, and cannot be.
    """
    run = await client.world.get_run(run_id)
    info = await read_info(client.world, run)
    if run.status not in RUN_TERMINAL or run.status == "cancelled":
        return Outcome(info)
    ending = await read_ending(client.world, run)
    if ending.payload is None:
        return Outcome(info, codec.dumps(ended_by_world(ending)))
    return Outcome(info, client.keyring.run(run.id, run.key_id).decrypt(ending.payload) if decrypt else ending.payload)
