"""
What is shown of encrypted runs: that they are encrypted, and only with ``--decrypt`` what they say.

Redaction comes before everything else that looks at payloads: it hands on events and log lines as those of a run that
is not encrypted, either decrypted, or with a word in the place of what nobody has asked to see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from torpor import codec
from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import PLAIN, RunCodec
from torpor.engine.cancellation import reason_of
from torpor.errors import KeyMissingError, TorporError
from torpor.lifecycle import FROM_OUTSIDE
from torpor.model import BY_PARENT, NOTHING, Event, LogEntry, Run

Mark = Callable[[str], Any]
"""Returns what stands in the place of a value that is encrypted under the key of an id."""


def in_words(key_id: str) -> str:
    """Return what people are told in the place of what is encrypted."""
    return f"encrypted (key {key_id})"


class Redactor:
    """
    Shows or hides.

    Args:
        keyring: the keys that there are.
        decrypt: whether somebody has asked to see what is encrypted.
        mark: makes what stands in the place of values that are hidden; hidden texts are always told in words.
    """

    def __init__(self, keyring: Keyring, *, decrypt: bool, mark: Mark = in_words) -> None:
        self._keyring = keyring
        self._decrypt = decrypt
        self.mark = mark

    def check(self, run: Run) -> None:
        """
        Refuse a run that is to be opened and cannot be.

        Raises:
            KeyMissingError: its key is not here.
        """
        if self._decrypt and run.key_id not in self._keyring.readable:
            raise KeyMissingError(f"run {run.id}", run.key_id)

    def events(self, run: Run, events: Sequence[Event]) -> list[Event]:
        """Return the events of a run as they may be seen."""
        # What a fork was before is told by its reference; the payload has that run's seed.
        events = [replace(event, payload=None) if event.type == "run_forked" else event for event in events]
        if not run.key_id:
            return [
                replace(event, ref=reason_of(event.ref, PLAIN)) if event.ref == BY_PARENT else event for event in events
            ]
        run_codec = self._keyring.run(run.id, run.key_id)
        return [self._event(run_codec, event) for event in events]

    def reason(self, run: Run) -> str:
        """Return why a run is being cancelled, as it may be seen."""
        return self._reason(self._keyring.run(run.id, run.key_id), run.cancel_reason) if run.cancel_by else ""

    def entries(self, run: Run, entries: Sequence[LogEntry]) -> list[LogEntry]:
        """Return the log lines of a run as they may be seen."""
        if not run.key_id:
            return list(entries)
        run_codec = self._keyring.run(run.id, run.key_id)
        return [replace(entry, text=self._text(run_codec, entry.text)) for entry in entries]

    def payload(self, run: Run, payload: bytes | None) -> bytes | None:
        """Return a payload of a run as it may be seen."""
        if not run.key_id or payload is None:
            return payload
        run_codec = self._keyring.run(run.id, run.key_id)
        return self._value(run_codec, run_codec.decrypt, payload)

    def _event(self, run_codec: RunCodec, event: Event) -> Event:
        ref, payload = event.ref, event.payload
        if event.type in {"run_cancelling", "run_cancelled"}:
            ref = self._reason(run_codec, ref)
        if payload is not None and not (payload == NOTHING and event.type == "hook_received"):
            opened = partial(run_codec.decrypt, from_outside=event.type in FROM_OUTSIDE)
            payload = self._value(run_codec, opened, payload)
        return replace(event, ref=ref, payload=payload)

    def _reason(self, run_codec: RunCodec, stored: str) -> str:
        if stored in {"", BY_PARENT} or not run_codec.key_id:
            return reason_of(stored, run_codec)
        return self._text(run_codec, stored, from_outside=True)

    def _value(self, run_codec: RunCodec, opened: Callable[[bytes], bytes], stored: bytes) -> bytes:
        if not self._decrypt:
            return codec.dumps(self.mark(run_codec.key_id))
        try:
            return opened(stored)
        except TorporError as error:
            return codec.dumps(_unreadable(error))

    def _text(self, run_codec: RunCodec, stored: str, *, from_outside: bool = False) -> str:
        if not self._decrypt:
            return in_words(run_codec.key_id)
        try:
            return run_codec.unpack_text(stored, from_outside=from_outside)
        except TorporError as error:
            return _unreadable(error)


def _unreadable(error: TorporError) -> str:
    return f"unreadable: {error.code}: {error}"
