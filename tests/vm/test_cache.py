"""Compiled modules are kept on disk, by any number of processes, and never run when damaged."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import wasmtime

from torpor.vm import cache_folders
from torpor.vm.cache import ModuleCache
from torpor.vm.cache_files import UNUSED_DAYS_MAX, _used, prune
from torpor.vm.cache_folders import default_directory

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


def cache_of_process() -> tuple[Compilations, wasmtime.Engine]:
    """Return a cache in the folders that the environment says."""
    engine = wasmtime.Engine()
    return Compilations(engine, "test"), engine


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


def told_of(directory: Path) -> list[str]:
    """Return what a new cache says about its folder, as a process does that has said nothing yet."""
    lines: list[str] = []
    cache_folders._told.clear()
    ModuleCache(wasmtime.Engine(), "test", directory, lines.append)
    return lines


def disown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file or folder belong to somebody else than the user of this process."""
    if os.geteuid() == 0:
        os.chown(path, 4242, 4242)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4242)


@pytest.mark.parametrize("target", ["folder", "code", "seal"])
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_what_others_can_write_is_not_run(tmp_path: Path, target: str, mode: int) -> None:
    """
    A folder, code or a seal that a group or anybody may write is as good as none; the hash inside proves nothing.
    """
    cache(tmp_path)[0].module("m", WASM)
    (code,), (seal,) = tmp_path.glob("*.cwasm"), tmp_path.glob("*.seal")
    {"folder": tmp_path, "code": code, "seal": seal}[target].chmod(mode)

    again, engine = cache(tmp_path)
    assert (value(again.module("m", WASM), engine), again.count) == (42, 1)
    assert bool(told_of(tmp_path)) is (target == "folder")


@pytest.mark.parametrize("target", ["folder", "code", "seal"])
def test_what_somebody_else_has_written_is_not_run(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever has put it there, it is neither this user nor root.
    """
    cache(tmp_path)[0].module("m", WASM)
    (code,), (seal,) = tmp_path.glob("*.cwasm"), tmp_path.glob("*.seal")
    disown({"folder": tmp_path, "code": code, "seal": seal}[target], monkeypatch)

    again, engine = cache(tmp_path)
    assert (value(again.module("m", WASM), engine), again.count) == (42, 1)


def test_a_link_is_not_run(tmp_path: Path) -> None:
    """
    A symbolic link in place of code may lead to anything later.
    """
    first, _ = cache(tmp_path)
    first.module("m", WASM)
    (code,) = tmp_path.glob("*.cwasm")
    code.rename(tmp_path / "elsewhere")
    code.symlink_to(tmp_path / "elsewhere")

    again, _ = cache(tmp_path)
    again.module("m", WASM)
    assert again.count == 1


def test_a_folder_that_is_not_trusted_is_told_once(tmp_path: Path) -> None:
    """
    With what is wrong and what to do; what is compiled instead goes nowhere that others can write.
    """
    tmp_path.chmod(0o1777)

    assert told_of(tmp_path) == [
        f"torpor: compiled code in {tmp_path} is not used: others can write there (mode 1777); chmod go-w {tmp_path}"
    ]
    lines: list[str] = []
    ModuleCache(wasmtime.Engine(), "test", tmp_path, lines.append)
    assert lines == []


def test_what_a_shared_folder_lacks_goes_to_a_private_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A chosen folder that is not trusted, and a shared one of root's, are not written; the user's own is.
    """
    chosen, home = tmp_path / "chosen", tmp_path / "home"
    chosen.mkdir(mode=0o755)
    chosen.chmod(0o777)
    monkeypatch.setenv("TORPOR_CACHE", str(chosen))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    first, _ = cache_of_process()
    first.module("m", WASM)

    assert list(chosen.iterdir()) == []
    assert list((home / "torpor").glob("*.cwasm"))
    second, _ = cache_of_process()
    second.module("m", WASM)
    assert second.count == 0


def test_a_folder_for_all_users_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What root keeps in /var/cache/torpor is used by everybody, after the user's own folder.
    """
    monkeypatch.setattr(cache_folders, "SHARED_DIRECTORY", tmp_path / "shared")
    monkeypatch.delenv("TORPOR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    cache(tmp_path / "shared")[0].module("m", WASM)

    reader, engine = cache_of_process()
    assert (value(reader.module("m", WASM), engine), reader.count) == (42, 0)


def test_entries_can_be_read_by_everybody_and_written_by_nobody_else(tmp_path: Path) -> None:
    """
    Whatever the umask of the process that made them.
    """
    before = os.umask(0o002)
    try:
        cache(tmp_path / "made")[0].module("m", WASM)
    finally:
        os.umask(before)

    modes = {path.name.rpartition(".")[2]: path.stat().st_mode & 0o777 for path in (tmp_path / "made").iterdir()}
    assert modes == {"cwasm": 0o644, "seal": 0o644}
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o755


def test_a_copy_with_whole_seconds_need_not_be_hashed(tmp_path: Path) -> None:
    """
    Archives and layers of containers keep whole seconds; the seal still fits.
    """
    cache(tmp_path)[0].module("m", WASM)
    (code,), (seal,) = tmp_path.glob("*.cwasm"), tmp_path.glob("*.seal")
    seconds = code.stat().st_mtime_ns // 10**9
    os.utime(code, (seconds, seconds))
    before = seal.stat().st_mtime_ns

    copied, _ = cache(tmp_path)
    copied.module("m", WASM)
    assert (copied.count, seal.stat().st_mtime_ns) == (0, before)


def test_a_copy_in_a_folder_that_cannot_be_written_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A right hash is enough; that the seal cannot be written anew does not matter.
    """
    cache(tmp_path)[0].module("m", WASM)
    (code,) = tmp_path.glob("*.cwasm")
    os.utime(code, (1, 1))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("torpor.vm.cache_files.replace_file", refuse)
    copied, engine = cache(tmp_path)
    assert (value(copied.module("m", WASM), engine), copied.count) == (42, 0)


def test_what_nobody_has_used_for_long_is_pruned(tmp_path: Path) -> None:
    """
    Entries of versions that were used a month ago and longer go, with their seals; what is in use stays.
    """
    for config in ("old", "recent", "ours"):
        cache(tmp_path, config)[0].module(config, WASM)
    _used.clear()  # as in a process that comes later
    long_ago = time.time() - (UNUSED_DAYS_MAX + 1) * 86_400
    for name in ("old", "ours"):
        (seal,) = tmp_path.glob(f"{name}*.seal")
        os.utime(seal, (long_ago, long_ago))
    used, _ = cache(tmp_path, "ours")
    used.module("ours", WASM)
    assert used.count == 0

    removed = prune(tmp_path)

    assert [pruned.name.partition("-")[0] for pruned in removed] == ["old"]
    assert removed[0].size > 1000
    assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir()) == ["ours", "ours", "recent", "recent"]


def test_all_that_others_use_can_be_pruned(tmp_path: Path) -> None:
    """
    On demand only what this process has used stays.
    """
    cache(tmp_path, "others")[0].module("others", WASM)
    _used.clear()
    cache(tmp_path, "ours")[0].module("ours", WASM)

    assert [pruned.name.partition("-")[0] for pruned in prune(tmp_path, all_unused=True)] == ["others"]
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"ours"}


USER = """
import os, sys
from pathlib import Path
import wasmtime
from torpor.vm.cache import ModuleCache
wasm, folder = bytes.fromhex(sys.argv[1]), Path(sys.argv[2])

class Counting(ModuleCache):
    def _compile(self, name, wasm):
        print("compiling")
        return super()._compile(name, wasm)

cache = Counting(wasmtime.Engine(), "test", folder)  # what it asks of the installation may lie where only root reads
os.setgid(65534), os.setuid(65534)
cache.module("m", wasm)
print("ready", os.getuid())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_users_read_what_root_has_made() -> None:
    """
    An entry that root made in a folder that everybody may read serves a process of another user.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        cache(folder)[0].module("m", WASM)
        command = [sys.executable, "-c", USER, WASM.hex(), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.split() == ["ready", "65534"], done.stderr


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
