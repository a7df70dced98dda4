"""Compiled modules are kept on disk, by any number of processes, and never run when damaged."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import wasmtime

from torpor.vm.cache import ModuleCache, default_directory

WASM = bytes(wasmtime.wat2wasm('(module (func (export "f") (result i32) (i32.const 42)))'))


def value(module: wasmtime.Module, engine: wasmtime.Engine) -> int:
    """Return what the module's function returns."""
    store = wasmtime.Store(engine)
    func = wasmtime.Instance(store, module, []).exports(store)["f"]
    assert isinstance(func, wasmtime.Func)
    return int(func(store))


class Compilations(ModuleCache):
    """A cache that counts."""

    count = 0

    def _compile(self, name: str, wasm: bytes) -> wasmtime.Module:
        self.count += 1
        return super()._compile(name, wasm)


def cache(directory: Path, config: str = "test") -> tuple[Compilations, wasmtime.Engine]:
    """Return a cache with an engine of its own, as another process would have."""
    engine = wasmtime.Engine()
    return Compilations(engine, config, directory), engine


def test_the_second_process_takes_it_from_disk(tmp_path: Path) -> None:
    """
    What one cache compiled, another loads.
    """
    first, engine = cache(tmp_path)
    assert (value(first.module("m", WASM), engine), first.count) == (42, 1)

    second, engine = cache(tmp_path)
    assert (value(second.module("m", WASM), engine), second.count) == (42, 0)


def test_other_code_or_settings_are_other_entries(tmp_path: Path) -> None:
    """
    The key covers the binary and the configuration.
    """
    cache(tmp_path)[0].module("m", WASM)
    other = bytes(wasmtime.wat2wasm('(module (func (export "f") (result i32) (i32.const 43)))'))

    changed_code, engine = cache(tmp_path)
    assert (value(changed_code.module("m", other), engine), changed_code.count) == (43, 1)
    changed_settings, _ = cache(tmp_path, "other settings")
    changed_settings.module("m", WASM)
    assert changed_settings.count == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "no seal", "seal", "seal of another"])
def test_damage_means_compiling_anew(tmp_path: Path, damage: str) -> None:
    """
    Whatever happened to an entry, it is compiled again and is whole afterwards.
    """
    cache(tmp_path)[0].module("m", WASM)
    (code,), (seal,) = tmp_path.glob("*.cwasm"), tmp_path.glob("*.seal")
    data = code.read_bytes()
    match damage:
        case "flip":
            code.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
        case "cut":
            code.write_bytes(data[:5000])
        case "empty":
            code.write_bytes(b"")
        case "no seal":
            seal.unlink()
        case "seal":
            seal.write_bytes(b"{}")
        case "seal of another":
            seal.write_text(seal.read_text().replace('"size":', '"size":1'))

    again, engine = cache(tmp_path)
    assert (value(again.module("m", WASM), engine), again.count) == (42, 1)
    last, engine = cache(tmp_path)
    assert (value(last.module("m", WASM), engine), last.count) == (42, 0)


def test_a_copied_entry_is_taken_after_hashing(tmp_path: Path) -> None:
    """
    An entry whose time differs but whose contents are right is used, and sealed anew.
    """
    cache(tmp_path)[0].module("m", WASM)
    (code,), (seal,) = tmp_path.glob("*.cwasm"), tmp_path.glob("*.seal")
    os.utime(code, ns=(1, 1))
    before = seal.read_bytes()

    copied, _ = cache(tmp_path)
    copied.module("m", WASM)

    assert copied.count == 0
    assert seal.read_bytes() != before


def test_an_unwritable_directory_means_compiling_in_memory(tmp_path: Path) -> None:
    """
    Where nothing can be kept, everything still works.
    """
    (tmp_path / "file").write_text("in the way")
    blocked, engine = cache(tmp_path / "file" / "cache")

    assert value(blocked.module("m", WASM), engine) == 42


def test_many_threads_and_readers_see_whole_entries(tmp_path: Path) -> None:
    """
    Caches that fill the same directory at once do not disturb each other and leave no scraps.
    """
    problems: list[BaseException] = []

    def fill() -> None:
        try:
            for _ in range(5):
                one, engine = cache(tmp_path)
                assert value(one.module("m", WASM), engine) == 42
                for entry in tmp_path.glob("*.seal"):
                    entry.unlink(missing_ok=True)
        except BaseException as problem:  # noqa: BLE001  # shown below
            problems.append(problem)

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert list(tmp_path.glob("*.tmp")) == []


def test_processes_share_a_directory(tmp_path: Path) -> None:
    """
    Several processes that start at once all get working code.
    """
    script = f"""
import wasmtime
from pathlib import Path
from torpor.vm.cache import ModuleCache
engine = wasmtime.Engine()
module = ModuleCache(engine, "test", Path({str(tmp_path)!r})).module("m", {WASM!r})
store = wasmtime.Store(engine)
assert wasmtime.Instance(store, module, []).exports(store)["f"](store) == 42
"""
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]

    assert [process.wait(60) for process in processes] == [0, 0, 0]


def test_a_slow_compilation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The user hears of a compilation that takes long, and of nothing else.
    """
    monkeypatch.setattr("torpor.vm.progress.SLOW_SECONDS", 0.0)
    told, heard = [], threading.Event()

    def progress(line: str) -> None:
        told.append(line)
        heard.set()

    class Waiting(ModuleCache):
        def _store(self, path: Path, code: bytes) -> None:
            heard.wait(10)

    functions = "".join(f"(func (result i32) (i32.const {n}))" for n in range(3000))
    Waiting(wasmtime.Engine(), "test", tmp_path, progress).module(
        "big", bytes(wasmtime.wat2wasm(f"(module {functions})"))
    )

    assert told == ["torpor: compiling big (0.0 MB of WebAssembly), once on this machine …"]


def test_the_directory_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    TORPOR_CACHE comes first, then the user's cache directory.
    """
    monkeypatch.setenv("TORPOR_CACHE", str(tmp_path))
    assert default_directory() == tmp_path

    monkeypatch.delenv("TORPOR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_directory() == Path("/var/cache/me/torpor")


LARGE = """
import sys, wasmtime
from pathlib import Path
from torpor.vm.cache import ModuleCache

class Telling(ModuleCache):
    def _compile(self, name, wasm):
        print("compiling", flush=True)
        return super()._compile(name, wasm)

def read():
    print("reading", flush=True)
    sys.stdin.readline()
    return wasm

wasm, folder = bytes.fromhex(sys.argv[1]), Path(sys.argv[2])
cache = Telling(wasmtime.Engine(), "test", folder, lambda line: print(line, flush=True))
cache.large_module("big", "content", read)
print("ready", flush=True)
"""


def large(folder: Path) -> subprocess.Popen[str]:
    """Start a process that wants a large module; it waits for a line before it compiles."""
    command = [sys.executable, "-c", LARGE, WASM.hex(), str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_one_process_makes_a_large_module(tmp_path: Path) -> None:
    """
    While one compiles, another waits and says so, and takes what the first has made.
    """
    first = large(tmp_path)
    assert told(first) == "reading"
    second = large(tmp_path)
    assert told(second).startswith("torpor: waiting for another process that is making big-")

    assert first.communicate("go\n", timeout=60)[0].split() == ["compiling", "ready"]
    assert second.communicate(timeout=60)[0].split() == ["ready"]


def test_a_killed_compilation_leaves_nothing_broken(tmp_path: Path) -> None:
    """
    The next process does it again, and removes what was half written.
    """
    first = large(tmp_path)
    assert told(first) == "reading"
    (lock,) = tmp_path.glob("*.lock")
    scrap = tmp_path / f"{lock.stem}half.tmp"
    scrap.write_bytes(b"half")
    first.kill()
    first.communicate(timeout=60)

    second = large(tmp_path)

    assert second.communicate("go\n", timeout=60)[0].split() == ["reading", "compiling", "ready"]
    assert not scrap.exists()
