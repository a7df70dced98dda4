"""Deployment keys: the setting that holds them, and what they are called."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode

import pytest

from torpor.codec.crypto.keys import SETTING, Keyring, generate, key_id, key_text
from torpor.errors import ConfigurationError

A, B = bytes(range(32)), bytes(range(32, 64))


def test_keys_are_read_newest_first() -> None:
    """The first is the current one; all are there."""
    ring = Keyring.parse(f"{key_text(B)},{key_text(A)}")

    assert ring.ids == (key_id(B), key_id(A))
    assert ring.current == key_id(B)
    assert ring.readable == ("", key_id(B), key_id(A))


@pytest.mark.parametrize(
    "text",
    [
        key_text(A),
        f" {key_text(A)} ,\n",
        b64encode(A).decode(),
        urlsafe_b64encode(A).decode(),
        f"{key_id(A)}:{b64encode(A).decode()}",
    ],
)
def test_a_key_is_read_however_it_is_written(text: str) -> None:
    """Both alphabets, with or without padding, id and spaces."""
    assert Keyring.parse(text).ids == (key_id(A),)


@pytest.mark.parametrize("text", ["", " ", ",", "\n"])
def test_no_keys_are_no_encryption(text: str) -> None:
    """An empty setting is the same as none."""
    ring = Keyring.parse(text)

    assert (ring.ids, ring.current, ring.readable) == ((), "", ("",))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("secret", "TORPOR_KEYS: a key of 4 bytes; a key has 32 random bytes: torpor keys generate"),
        ("not base64 at all!", "TORPOR_KEYS: entry"),
        (f"{key_text(A)},%%%", "TORPOR_KEYS: entry 2 is no key; write id:base64"),
        (b64encode(bytes(31)).decode(), "a key of 31 bytes"),
        (f"{key_text(A)},{key_text(A)}", "a key is given twice"),
        (f"{key_id(B)}:{key_text(A).partition(':')[2]}", f"called {key_id(B)}, but the key there is {key_id(A)}"),
    ],
)
def test_a_wrong_setting_is_refused(text: str, complaint: str) -> None:
    """The message says which entry, why and what to do, and shows no key."""
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        Keyring.parse(text)
    assert key_text(A).partition(":")[2] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_damaged_key_is_told_by_its_id() -> None:
    """A character that was changed or lost makes another key, which the id in front of it does not fit."""
    name, _, secret = key_text(A).partition(":")
    changed = secret[:10] + ("A" if secret[10] != "A" else "B") + secret[11:]
    with pytest.raises(ConfigurationError, match=f"entry 1 is called {name}"):
        Keyring.parse(f"{name}:{changed}")
    with pytest.raises(ConfigurationError, match="31 bytes"):
        Keyring.parse(f"{name}:{secret[:-1]}")


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """From TORPOR_KEYS, and from nowhere else."""
    monkeypatch.setenv(SETTING, key_text(A))
    assert Keyring.from_environment().current == key_id(A)
    monkeypatch.delenv(SETTING)
    assert Keyring.from_environment().current == ""


def test_an_id_is_for_ever() -> None:
    """Runs are stored with it."""
    assert key_id(A) == "kb9bd8f3849"


def test_every_key_is_new() -> None:
    """Two have nothing in common, nor have their ids."""
    keys = {generate() for _ in range(100)}

    assert len({key_id(key) for key in keys}) == 100
    assert all(len(key) == 32 for key in keys)


def test_without_keys_the_library_is_not_imported() -> None:
    """Importing it takes longer than all of the codec."""
    script = (
        "import sys; from torpor.codec.crypto.keys import Keyring; Keyring.parse('').run('wrun_1', '').dumps(1); "
        "print('cryptography' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
