"""A world behind an https:// URL whose certificate is of an authority that few know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.http.certificates import Authority
from tests.http.tls import by_tls
from torpor.client import Client
from torpor.errors import WorldError
from torpor.http.asgi import asgi
from torpor.http.tokens import make_token
from torpor.worlds import open_world


async def test_a_server_is_believed_by_who_knows_its_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others send nothing, no token either, and are told what to set."""
    authority, near = Authority(tmp_path, "authority"), open_world("memory://")
    await near.open()
    made = make_token(near.clock.now(), ("work",))
    monkeypatch.setenv("TORPOR_TOKEN", made.text)
    async with by_tls(asgi(Client(near), tokens=[made.token]), authority.issue("server")) as url:
        stranger = open_world(url)
        with pytest.raises(WorldError, match=r"is not trusted: .*CERTIFICATE_VERIFY_FAILED.* as SSL_CERT_FILE"):
            await stranger.open()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        known = open_world(url)
        await known.open()
        assert await known.workers() == []
        await known.close()
    await near.close()
