"""One connection to a server, which is made anew when it was lost."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeVar

import redis
from redis.exceptions import NoScriptError

from torpor.errors import DamagedError
from torpor.worlds.redis.faults import is_lost, is_of_another_type
from torpor.worlds.redis.keys import Keys
from torpor.worlds.redis.memory import Memory
from torpor.worlds.redis.primary import client_of
from torpor.worlds.redis.scripts import LOOK, STORE
from torpor.worlds.redis.url import Settings

T = TypeVar("T")

Command = Sequence[Any]
"""A command's name and its arguments."""

Stored = Literal["stored", "late", "damaged"]
"""Of a group: it is stored; what it rests on is not so any more; a key is of another type than it must be."""

_STORED: Final[dict[int, Stored]] = {ord("1"): "stored", ord("0"): "late", ord("x"): "damaged"}

PATIENCE_SECONDS: Final = 30.0
"""So long a server that is not there is waited for: it may be restarting, and reading its log."""

REPLICAS_MS: Final = 1_000
"""So long it is waited for replicas, before the connection counts as lost: another server may be the primary."""

_PAUSE_SECONDS: Final = 0.1
_NOTES_KEPT_SECONDS: Final = 30 * 86_400


class UnknownError(Exception):
    """The server cannot be asked whether something is stored."""


class FewReplicasError(redis.ConnectionError):
    """What was stored is not on as many replicas as it must be."""


class Connection:
    """
    A connection, used by one thread at a time.

    Args:
        settings: where to, which it has as an attribute.
        given_up: is set once nobody waits any more for a server that is not there.
        notes: key of the hash where it notes what it stored last.
        memory: of what was answered.

    Attributes:
        made: how often it was made; what was written in pieces may lack some when it was made anew meanwhile.
        give_up: is called when the server has forgotten something, and gives up what workers of this process have.
    """

    def __init__(self, settings: Settings, given_up: threading.Event, notes: bytes, memory: Memory) -> None:
        self.settings = settings
        self.made = 0
        self.give_up: Callable[[], object] = lambda: None
        self._memory = memory
        self._losses = memory.losses
        self._life = ""
        self._given_up = given_up
        self._notes = notes
        self._keys = Keys(settings.name)
        self._name = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._hashes: dict[str, str] = {}
        self._client: redis.Redis | None = None

    @property
    def client(self) -> redis.Redis:
        """The driver's client."""
        if self._client is None:
            client = client_of(self.settings)
            about = client.info()  # before anything is sent that might be stored
            self._life = f"{about.get('run_id')} {about.get('master_replid')}"
            self.made += 1
            self._client = client
        return self._client

    def begin(self) -> None:
        """Begin to draft what is to be stored."""
        self._losses = self._memory.losses

    def drop(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        """Let go of the connection, and of what the server keeps for it alone."""
        if self._client is not None:
            with suppress(redis.RedisError, OSError):
                self._client.hdel(self._notes, self._name)
        self._memory.forget(self._name.encode())
        self.drop()

    def ask(self, *commands: Command) -> list[Any]:
        """
        Carry out commands that change nothing, or that may be carried out twice, in one round trip.

        Raises:
            DamagedError: a key is of another type than its command wants.
            redis.RedisError: the server refuses, or has not been there for long.
        """
        return sound(self.ask_each(*commands))

    def ask_of_one_moment(self, *commands: Command) -> list[Any]:
        """Do the same, with nothing of others' in between."""
        return sound(self.ask_each(*commands, together=True))

    def ask_each(self, *commands: Command, together: bool = False) -> list[Any]:
        """Do the same; in the place of an answer may stand the DamagedError that says what is wrong with its key."""
        found = self._patiently(lambda client: _sent(client, commands, together=together))
        return [self._told(*each) for each in zip(commands, found, strict=True)]

    def _told(self, command: Command, found: Any) -> Any:
        if not isinstance(found, redis.RedisError):
            return found
        if not is_of_another_type(found):
            raise found
        row, run_id = self._keys.told(command[1])
        return DamagedError(row, f"its type is not the one that {command[0]} wants", run_id=run_id)

    def look(
        self, places: Sequence[bytes], names: Sequence[bytes], now: int, most: int, later: int
    ) -> list[list[bytes]]:
        """Return of each place, given as three keys and a name, what is ready, and what is later with its time."""
        found: list[list[bytes]] = self._patiently(
            lambda client: self._run(client, LOOK, len(places), *places, now, most, later, *names)
        )
        return found

    def store(self, channel: bytes, news: bytes, groups: Sequence[Sequence[Any]]) -> list[Stored]:
        """
        Carry out those groups of writes whose checks are met; return of each what became of it.

        It is done once, also when the connection is lost on the way. As many replicas have it as they must.

        Raises:
            UnknownError: the connection was lost, and nobody can tell whether it is done.
            redis.RedisError: nothing is stored.
        """
        count = next(self._numbers)
        number = b"%d:" % count
        arguments = [argument for group in groups for argument in group]
        was_sent = False

        def run(client: redis.Redis) -> bytes:
            nonlocal was_sent
            if self._has_lost(client, number):
                return b"0" * len(groups)
            was_sent = True
            about = self._notes, self._name, number, channel, news, len(groups)
            told: bytes = self._run(client, STORE, 1, *about, *arguments, replicas=self.settings.replicas)
            return told

        try:
            told = self._patiently(run)
        except (redis.RedisError, OSError) as error:
            if was_sent and is_lost(error):
                raise UnknownError(str(error)) from error
            raise
        if b"1" in told:  # of others nothing is noted
            self._memory.note(self._name.encode(), count, self._life)
        return [_STORED[flag] for flag in told]

    def _has_lost(self, client: redis.Redis, number: bytes) -> bool:
        """Return whether the server was found to have forgotten something since what is to be stored was drafted."""
        with self._memory.settling:
            unsure = self._memory.unsure(self._life)
            if unsure:
                own, *noted = _execute(client, "HMGET", self._notes, self._name, *unsure)
                found = {name: each for name, each in zip(unsure, noted, strict=True) if each is not None}
                self._memory.compare(unsure, found, self._life)
                if own is not None and own.startswith(number):
                    return False  # it is stored, and this was not forgotten
            drafted, self._losses = self._losses, self._memory.losses
            if self._memory.lost():
                self.give_up()
            return drafted != self._memory.losses

    def _run(self, client: redis.Redis, script: str, *arguments: Any, replicas: int = 0) -> Any:
        digest = self._hashes.get(script)
        if digest is None:
            digest = self._hashes[script] = str(client.script_load(script))
            client.expire(self._notes, _NOTES_KEPT_SECONDS)
        try:
            return _evaluate(client, digest, arguments, replicas)
        except NoScriptError:  # the server has been restarted since
            self._hashes[script] = str(client.script_load(script))
            return _evaluate(client, digest, arguments, replicas)

    def _patiently(self, act: Callable[[redis.Redis], T]) -> T:
        until = 0.0
        while True:
            try:
                return act(self.client)
            except (redis.RedisError, OSError) as error:
                if not is_lost(error):
                    raise
                self.drop()
                pause = _PAUSE_SECONDS if until else 0.0  # one that was cut while it was idle is made anew at once
                until = until or time.monotonic() + PATIENCE_SECONDS
                if time.monotonic() > until or self._given_up.wait(pause):
                    raise


def _execute(client: redis.Redis, *command: Any) -> Any:
    return client.execute_command(*command)  # type: ignore[no-untyped-call]  # the driver's


def _evaluate(client: redis.Redis, digest: str, arguments: Sequence[Any], replicas: int) -> Any:
    """
    Call a script, and wait for replicas of what this connection has written, in one round trip.

    Raises:
        FewReplicasError: they have not answered in time.
    """
    if not replicas:
        return _execute(client, "EVALSHA", digest, *arguments)
    told, have = _sent(client, (("EVALSHA", digest, *arguments), ("WAIT", replicas, REPLICAS_MS)), together=False)
    for each in (told, have):
        if isinstance(each, Exception):
            raise each
    if int(have) < replicas:
        raise FewReplicasError(f"{have} of {replicas} replicas have acknowledged within {REPLICAS_MS} ms")
    return told


def _sent(client: redis.Redis, commands: Sequence[Command], *, together: bool) -> list[Any]:
    if len(commands) == 1:
        try:
            return [_execute(client, *commands[0])]
        except redis.ResponseError as error:
            if is_lost(error):
                raise
            return [error]
    pipeline = client.pipeline(transaction=together)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]  # the driver's
    found: list[Any] = pipeline.execute(raise_on_error=False)
    lost = next((each for each in found if isinstance(each, Exception) and is_lost(each)), None)
    if lost is not None:
        raise lost
    return found


def sound(found: list[Any]) -> list[Any]:
    """
    Return what :meth:`Connection.ask_each` has found.

    Raises:
        DamagedError: something of it is damaged.
    """
    damage = next((each for each in found if isinstance(each, DamagedError)), None)
    if damage is not None:
        raise damage
    return found
