"""
Hearing of what other processes have changed, by messages; see :mod:`torpor.worlds.ear`.

A message is sent by the script that makes it true, in the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from torpor.worlds.ear import AGAIN_SECONDS, REST_SECONDS, Ear
from torpor.worlds.notifier import Notifier
from torpor.worlds.presence import Presence
from torpor.worlds.redis.keys import Keys
from torpor.worlds.redis.primary import client_of
from torpor.worlds.redis.url import Settings


class RedisEar(Ear):
    """
    One that subscribes to a channel.

    Args:
        settings: where to.
        whose: what tells the news of this world, which are none here, from those of others.
        notifier: whom to tell.
        presence: shown by a channel that nobody else listens to.
    """

    def __init__(self, settings: Settings, whose: str, notifier: Notifier, presence: Presence) -> None:
        super().__init__(notifier, whose, (redis.RedisError,), presence)
        keys = Keys(settings.name)
        self._settings = settings
        self._channel = keys.news
        self._farewell = keys.news + b":" + whose.encode()
        self._own = keys.here + presence.id.encode()

    def _wake(self) -> None:
        with suppress(redis.RedisError, OSError), client_of(self._settings) as client:
            client.publish(self._farewell, b"")

    @contextmanager
    def _listen(self) -> Iterator[Any]:
        with client_of(self._settings, socket_timeout=None) as client:
            about: dict[str, Any] = client.info("server")
            with client.pubsub() as listening:
                listening.subscribe(self._channel, self._farewell, self._own)
                while listening.get_message(timeout=AGAIN_SECONDS) is None:
                    pass  # until the server has begun to tell
                self._presence.show(str(about["run_id"]))
                yield listening

    def _hear(self, source: Any) -> None:
        message = None
        while not self._closed.is_set():
            messages: list[str] = []
            while message is not None:
                if message["type"] == "message" and message["channel"] == self._channel:
                    messages.append(message["data"].decode())
                message = source.get_message(timeout=0)
            if self._pass_on(messages):
                self._closed.wait(REST_SECONDS)
            if not self._closed.is_set():
                message = source.get_message(timeout=self._left_seconds)
