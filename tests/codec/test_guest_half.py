"""The half of the codec that runs inside the Python guest, alone as it is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import torpor
from tests.codec import both_halves
from tests.codec.damaged import DAMAGED, DAMAGED_FOR_PYTHON
from torpor import codec
from torpor.codec import guest
from torpor.errors import SerializationError
from torpor.guests.cpython.sources import SHARED

SOURCE = Path(torpor.__file__).parent

ALONE = """
import json, sys, types

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("msgspec", "zstandard", "cryptography", "pydantic", "attr", "attrs"):
            raise ModuleNotFoundError(f"the guest's half of the codec imports {name}", name=name)

sys.meta_path.insert(0, Absent())
for name, folder in (("torpor", SOURCE), ("torpor.codec", SOURCE + "/codec")):
    package = types.ModuleType(name)  # empty, as in the guest: their own __init__ is the host's
    package.__path__ = [folder]
    sys.modules[name] = package

from torpor.codec import guest
"""


def alone(program: str) -> object:
    """Return what a program prints, as JSON, that has the guest's half as ``guest`` and nothing beside it."""
    text = ALONE.replace("SOURCE", repr(str(SOURCE))) + program
    done = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_guests_half_needs_the_standard_library_alone() -> None:
    """It is imported without any other package, and without the host's half."""
    loaded = alone("print(json.dumps(sorted(name for name in sys.modules if name.startswith('torpor'))))")

    assert isinstance(loaded, list)
    half = {name.removeprefix("torpor.") for name in loaded}
    assert {"codec.guest", "codec.wire.flatten", "codec.wire.hydrate", "errors"} <= half
    assert not {"codec.wire.envelope", "codec.wire.devalue", "codec.bare", "codec.typing", "codec.crypto", "app"} & half


def test_what_makes_values_fit_types_needs_the_standard_library_alone() -> None:
    """The guest has it too, and all of it."""
    loaded = alone(
        "from torpor.codec.typing.annotations import convert\n"
        "assert convert([1.0], tuple[int, ...]) == (1,)\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('torpor.codec.typing')]))"
    )

    assert isinstance(loaded, list)
    assert {name.removeprefix("torpor.") for name in loaded} <= set(SHARED)


def test_both_halves_write_the_same_values() -> None:
    """The table is one, and so are the walks; only the JSON is made by another encoder."""
    texts = alone(
        f"import runpy; values = runpy.run_path({both_halves.__file__!r})['VALUES']\n"
        "print(json.dumps([guest.text_of(value) for value in values]))"
    )

    assert isinstance(texts, list)
    for value, text in zip(both_halves.VALUES, texts, strict=True):
        read = codec.loads(codec.pack_devalue(text))
        assert codec.pack_devalue(text) == codec.dumps(value)
        assert repr(read) == repr(value)


def test_the_guests_half_reads_what_the_host_writes() -> None:
    """And writes it again as it was."""
    texts = [codec.unpack_devalue(codec.dumps(value)) for value in both_halves.VALUES]

    again = alone(
        f"texts = json.loads({json.dumps(texts)!r})\n"
        "print(json.dumps([guest.text_of(guest.value_of(text)) for text in texts]))"
    )

    assert isinstance(again, list)
    for text, value in zip(again, both_halves.VALUES, strict=True):
        assert repr(codec.loads(codec.pack_devalue(text))) == repr(value)


@pytest.mark.parametrize("text", [*DAMAGED, *DAMAGED_FOR_PYTHON])
def test_the_guests_half_refuses_damaged_texts(text: str) -> None:
    """With the same error; what makes it is the standard library's parser and a look at the shape."""
    with pytest.raises(SerializationError):
        guest.value_of(f"devl{text}")


def test_the_guest_tells_whose_value_cannot_be_stored() -> None:
    """The caller says what it is, the codec where in it and what to do."""
    with pytest.raises(SerializationError, match=r"^the result of main cannot be stored: \.a\[0\] is a type, which"):
        guest.text_of({"a": [int]}, "the result of main")
    with pytest.raises(SerializationError, match=r"^\.a\[0\] is a type"):
        guest.text_of({"a": [int]})
    with pytest.raises(SerializationError, match="'zstd' is no codec text"):
        guest.value_of("zstd")


def test_the_list_of_shared_modules_is_whole() -> None:
    """What the guest's half imports is what the guest is given."""
    loaded = alone("print(json.dumps([name for name in sys.modules if name.startswith('torpor.')]))")

    assert isinstance(loaded, list)
    assert {name.removeprefix("torpor.") for name in loaded} - {"codec"} <= set(SHARED)
