"""Capsules: a run with all that belongs to it, as bytes; see docs/capsules.md."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from torpor.capsules import SUFFIX, transfer
from torpor.http.routing import Call, Router
from torpor.http.runs import known_run
from torpor.http.views import RunItem, run_item
from torpor.limits import WORLD_BODY_BYTES_MAX

router = Router("capsules")

CAPSULE: Final = "application/vnd.torpor.capsule"


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What goes along.

    Attributes:
        whole: its image and guest build, so that it can be opened where they are not.
        encrypt: all of it is encrypted under the server's newest key.
    """

    whole: bool = False
    encrypt: bool = False


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a run arrives.

    Attributes:
        paused: nothing happens in it before it is unpaused.
    """

    paused: bool = False


@router.get("/v1/runs/{run}/capsule", "operate", media=(CAPSULE,))
async def export_run(call: Call, query: Export) -> Response:
    """
    Return a run with all that belongs to it in one file. It goes on.

    What of it is encrypted stays so. Of a run without a key all can be read, which is why reading is not enough.
    """
    info = await known_run(call)
    client = call.service.client
    data = await transfer.take_out(client.world, info.id, client.keyring, whole=query.whole, encrypt=query.encrypt)
    named = f"attachment; filename*=UTF-8''{quote(info.id + SUFFIX, safe='')}"
    return Response(data, media_type=CAPSULE, headers={"content-disposition": named})


@router.post("/v1/capsules", "work", status=201)
async def import_run(call: Call, query: Import) -> RunItem:
    """Put the run of a capsule, the body, into this world, where it goes on under its own id."""
    call.grant.require_whole()
    client = call.service.client
    data = await call.bytes(WORLD_BODY_BYTES_MAX)
    run = await transfer.put_in(client.world, data, client.keyring, paused=query.paused)
    return run_item(await client.run(run.id).info())
