"""What of encrypted runs is shown."""

from __future__ import annotations

import pytest

from torpor import codec
from torpor.codec.crypto.keys import Keyring, generate
from torpor.errors import KeyMissingError
from torpor.inspection.readable import readable_payload
from torpor.inspection.redaction import Redactor
from torpor.model import NOTHING, Event, LogEntry, Run

RING = Keyring([generate()])
SEALER = RING.run("wrun_1", RING.current)
RUN = Run("wrun_1", "w", "p", "quickjs", "snapshot", "cancelled", b"", 1, key_id=RING.current)
PLAIN_RUN = Run("wrun_2", "w", "p", "quickjs", "snapshot", "cancelled", b"", 1)
HIDDEN = f"encrypted (key {RING.current})"


def shown(redactor: Redactor, payload: bytes | None, ref: str = "") -> tuple[object, str]:
    """Return payload and reference of an event as it may be seen."""
    [event] = redactor.events(RUN, [Event("run_cancelled" if ref else "run_completed", 1, ref=ref, payload=payload)])
    return readable_payload(event.payload), event.ref


def test_what_is_encrypted_is_hidden() -> None:
    """Payloads, reasons and log lines, even where there is the key."""
    redactor = Redactor(RING, decrypt=False)

    assert shown(redactor, SEALER.dumps({"a": 1}), SEALER.pack_text("why")) == (HIDDEN, HIDDEN)
    [line] = redactor.entries(RUN, [LogEntry(1, 1, "info", SEALER.pack_text("words"))])
    assert line.text == HIDDEN


def test_what_is_asked_for_is_shown() -> None:
    """As it was before it was encrypted."""
    redactor = Redactor(RING, decrypt=True)

    redactor.check(RUN)
    assert shown(redactor, SEALER.dumps({"a": 1}), SEALER.pack_text("why")) == ({"a": 1}, "why")
    [line] = redactor.entries(RUN, [LogEntry(1, 1, "info", SEALER.pack_text("words"))])
    assert line.text == "words"


def test_what_cannot_be_read_says_why() -> None:
    """Damage of one payload hides no other; a key that is missing is told before anything is shown."""
    damaged, _ = shown(Redactor(RING, decrypt=True), SEALER.dumps(1)[:-1])
    forged, _ = shown(Redactor(RING, decrypt=True), codec.dumps("forged"))

    assert str(damaged).startswith("unreadable: DECRYPTION: run wrun_1")
    assert "is not encrypted" in str(forged)
    with pytest.raises(KeyMissingError, match=RING.current):
        Redactor(Keyring(), decrypt=True).check(RUN)


def test_what_holds_no_secret_stays() -> None:
    """Absent payloads, the world's own null, references that are ids, and runs that are not encrypted."""
    redactor = Redactor(RING, decrypt=False)

    assert shown(redactor, None) == (None, "")
    [received] = redactor.events(RUN, [Event("hook_received", 1, payload=NOTHING)])
    assert readable_payload(received.payload) is None
    assert shown(redactor, NOTHING) == (HIDDEN, "")  # not the world's own where no hook receives it
    [event] = redactor.events(RUN, [Event("step_started", 1, ref="wrkr_1")])
    assert event.ref == "wrkr_1"
    [event] = redactor.events(PLAIN_RUN, [Event("run_completed", 1, payload=codec.dumps(5))])
    assert readable_payload(event.payload) == 5
    [line] = redactor.entries(PLAIN_RUN, [LogEntry(1, 1, "info", "words")])
    assert line.text == "words"
