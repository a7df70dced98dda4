"""The socket that a server listens on."""

from __future__ import annotations

import socket

import pytest

from torpor.errors import ConfigurationError
from torpor.http.serving import listen, url_of


def test_connections_send_at_once() -> None:
    """An answer in several pieces does not wait for the other side to acknowledge the first one."""
    with listen("127.0.0.1", 0) as listening:
        assert url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_refused() -> None:
    """And one that is not this machine's; the message says what to change."""
    with listen("127.0.0.1", 0) as listening, pytest.raises(ConfigurationError, match="--port"):
        listen("127.0.0.1", listening.getsockname()[1])
    with pytest.raises(ConfigurationError, match="--host"):
        listen("192.0.2.1", 0)
