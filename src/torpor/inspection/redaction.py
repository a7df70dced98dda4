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
        if self._decrypt and run.key_id not in self._keyring.readable:
            raise KeyMissingError(f"run {run.id}", run.key_id)

    def events(self, run: Run, events: Sequence[Event]) -> list[Event]:
        """Return the events of a run as they may be seen."""
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
        shown: bytes = self._shown(run_codec, run_codec.decrypt, payload, instead=codec.dumps)
        return shown

    def _event(self, run_codec: RunCodec, event: Event) -> Event:
        ref, payload = event.ref, event.payload
        if event.type in {"run_cancelling", "run_cancelled"}:
            ref = self._reason(run_codec, ref)
        if payload is not None and not (payload == NOTHING and event.type == "hook_received"):
            opened = partial(run_codec.decrypt, from_outside=event.type in FROM_OUTSIDE)
            payload = self._shown(run_codec, opened, payload, instead=codec.dumps)
        return replace(event, ref=ref, payload=payload)

    def _reason(self, run_codec: RunCodec, stored: str) -> str:
        if stored in {"", BY_PARENT} or not run_codec.key_id:
            return reason_of(stored, run_codec)
        return self._text(run_codec, stored, from_outside=True)

    def _text(self, run_codec: RunCodec, stored: str, *, from_outside: bool = False) -> str:
        opened = partial(run_codec.unpack_text, from_outside=from_outside)
        text: str = self._shown(run_codec, opened, stored, instead=str)
        return text

    def _shown(
        self, run_codec: RunCodec, opened: Callable[[Any], Any], stored: Any, *, instead: Callable[[str], Any]
    ) -> Any:
        if not self._decrypt:
            return instead(f"encrypted (key {run_codec.key_id})")
        try:
            return opened(stored)
        except TorporError as error:
            return instead(f"unreadable: {error.code}: {error}")
