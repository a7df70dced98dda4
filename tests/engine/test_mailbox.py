"""Hooks and messages of encrypted runs, of the memory world, and behind blocking calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.mailbox.application import app, both
from tests.engine.support import TIMEOUT
from torpor import Client, RunEndedError, SyncTorpor
from torpor.codec.crypto.keys import Keyring, generate
from torpor.engine.hook_arrival import wait_for_hook
from torpor.errors import KeyMissingError


async def test_who_has_no_key_may_write_to_an_encrypted_run() -> None:
    """To its hooks and its mailbox; what it says of a hook, and what comes, is for who has the key."""
    sealed = app.on("memory://", keys=Keyring([generate()]))
    stranger = Client(sealed.world)
    async with sealed, sealed.worker():
        run = await sealed.start(both, "sealed")
        await stranger.send(run.id, "work", "first secret")
        await stranger.resume_hook("sealed", "payload secret", wait="1m")
        await sealed.send(run, "work", "second secret")
        assert await run.result(timeout=TIMEOUT) == ["payload secret", "first secret", "second secret"]
        stored = b"".join(event.payload or b"" for event in await run.events())
        assert b"secret" not in stored


async def test_metadata_of_an_encrypted_hook_takes_the_key() -> None:
    """Who has it reads them; who has not learns of which key, and the run all the same."""
    sealed = app.on("memory://", keys=Keyring([generate()]))
    async with sealed, sealed.worker():
        run = await sealed.start(both, "asked")
        await wait_for_hook(sealed.world, "asked")
        assert (await sealed.get_hook("asked")).metadata == {"secret": "metadata of asked"}
        found = await Client(sealed.world).get_hook("asked")
        assert found.run.id == run.id
        with pytest.raises(KeyMissingError):
            _ = found.metadata


def test_blocking_calls_do_the_same(tmp_path: Path) -> None:
    """Looking up, resuming, waiting and sending, by handle and by id."""
    with SyncTorpor(app.on(f"sqlite:///{tmp_path}/torpor.db"), worker=True) as torpor:
        run = torpor.start(both, "blocking")
        run.send("work", 1)
        torpor.send(run.id, "work", 2, id="two")
        torpor.send(run, "work", 2, id="two")
        assert torpor.resume_hook("blocking", "now", wait="1m").id == run.id
        assert run.result(timeout=TIMEOUT) == ["now", 1, 2]
        with pytest.raises(RunEndedError):
            run.send("work", 3)


def test_blocking_calls_look_hooks_up(tmp_path: Path) -> None:
    """With a run that is behind blocking calls, too."""
    with SyncTorpor(app.on(f"sqlite:///{tmp_path}/torpor.db"), worker=True) as torpor:
        run = torpor.start(both, "looked up")
        torpor.resume_hook("looked up", "first", resume_id="once", wait="1m")
        found = torpor.get_hook("looked up")
        assert torpor.resume_hook(found, "again", resume_id="once").id == run.id
        assert (found.run.id, found.metadata) == (run.id, {"secret": "metadata of looked up"})
        assert found.run.status() in {"pending", "running"}
        found.run.cancel()
