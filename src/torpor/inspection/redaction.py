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
from torpor.codec.crypto.run_codec import Sealer
from torpor.errors import KeyMissingError, TorporError
from torpor.model import NOTHING, Event, LogEntry, Run


class Redactor:
    """
    Shows or hides.

    Args:
        keyring: the keys that there are.
        decrypt: whether somebody has asked to see what is encrypted.
    """

    def __init__(self, keyring: Keyring, *, decrypt: bool) -> None:
        self._keyring = keyring
        self._decrypt = decrypt

    def check(self, run: Run) -> None:
        """
        Refuse a run that is to be opened and cannot be.

        Raises:
            KeyMissingError: its key is not here.
        """
        if self._decrypt and run.key not in self._keyring.readable:
            raise KeyMissingError(f"run {run.id}", run.key)

    def events(self, run: Run, events: Sequence[Event]) -> list[Event]:
        """Return the events of a run as they may be seen."""
        if not run.key:
            return list(events)
        sealer = self._keyring.run(run.id, run.key)
        return [self._event(sealer, event) for event in events]

    def entries(self, run: Run, entries: Sequence[LogEntry]) -> list[LogEntry]:
        """Return the log lines of a run as they may be seen."""
        if not run.key:
            return list(entries)
        sealer = self._keyring.run(run.id, run.key)
        return [replace(entry, text=self._words(sealer, entry.text)) for entry in entries]

    def _event(self, sealer: Sealer, event: Event) -> Event:
        ref, payload = event.ref, event.payload
        if event.type == "run_cancelled" and ref:
            ref = self._words(sealer, ref, from_outside=True)
        if payload is not None and not (payload == NOTHING and event.type == "hook_received"):
            opened = partial(sealer.decrypted, from_outside=event.type == "hook_received")
            payload = self._shown(sealer, opened, payload, instead=codec.dumps)
        return replace(event, ref=ref, payload=payload)

    def _words(self, sealer: Sealer, stored: str, *, from_outside: bool = False) -> str:
        opened = partial(sealer.open_words, from_outside=from_outside)
        words: str = self._shown(sealer, opened, stored, instead=str)
        return words

    def _shown(
        self, sealer: Sealer, opened: Callable[[Any], Any], stored: Any, *, instead: Callable[[str], Any]
    ) -> Any:
        if not self._decrypt:
            return instead(f"encrypted (key {sealer.key})")
        try:
            return opened(stored)
        except TorporError as error:
            return instead(f"unreadable: {error.code}: {error}")
