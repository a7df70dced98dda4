"""What ``torpor doctor`` looks at; each check tries the real thing and says what it found."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import sqlite3
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from torpor import Torpor, WorkerSettings, codec
from torpor.cli.opening import refuse_missing_file, schema_version
from torpor.cli.output import counted
from torpor.cli.versions import installed
from torpor.clock import SystemClock
from torpor.codec.crypto.keys import SETTING, Keyring
from torpor.engine.images import unshared_text
from torpor.errors import ConfigurationError, TorporError, VmError
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.ids import SEED_BYTES
from torpor.inspection.kept import read_kept
from torpor.inspection.reading import Reader
from torpor.inspection.soundness import find_damage
from torpor.inspection.timestamps import bytes_text
from torpor.programs.catalogue import guests
from torpor.programs.languages import LANGUAGES
from torpor.vm.cache_folders import default_directory, distrusted_folder
from torpor.vm.guest import Begin, Program
from torpor.vm.host import lacking_descriptors
from torpor.vm.pages import choose_backend
from torpor.world import World
from torpor.worlds import address_of
from torpor.worlds.conditions import conditions

WASM_SHA256: Final = {
    "quickjs.wasm": "d4c9375f2b1ca4dc95f72c8aa2982a7a9951ac8011490d79c6582df732b4bbd9",
    "crypto.so": "fa26b6fafda251c3b1442dcc4c876b3ac73689639519f4ddfc2c410ebdb5b7c2",
    "encoding.so": "d501aa2a8410ee07c196103f0d169b226ec61c922883713510fd723fe14036c3",
    "headers.so": "42c847104d6aa8d4666fa41bb74d324c2ee9a4d15c2492fca013b1631232b011",
    "structured-clone.so": "0ac5a36c0545c659ba6f9f8de5af11862df84546d151d0f15ec5184c95fd6cb3",
    "url.so": "af780a79f1fb131b5e6fa1d6fedc481e265420cf2f254fe966255230f4c1bc62",
}
"""Hashes of the WebAssembly files that this version of Torpor was built with."""

_SOURCE: Final = """
export async function examination(number) {
  "use workflow";
  return number + 1;
}
"""

CLOCK_OFFSET_NOTED_MS: Final = 1_000

Status = Literal["ok", "note", "failed"]


class Finding(msgspec.Struct, frozen=True):
    """
    What a check found.

    Attributes:
        status: ``failed`` when something that is needed is missing; ``note`` when it is good to know.
        text: for people.
        facts: for programs.
    """

    status: Status
    text: str
    facts: dict[str, Any] = {}


def versions() -> Finding:
    """Return the versions that matter."""
    facts = {
        "torpor": installed("torpor"),
        "python": platform.python_version(),
        "wasmtime": installed("wasmtime"),
        "sqlite": sqlite3.sqlite_version,
    }
    return Finding("ok", ", ".join(f"{name} {number}" for name, number in facts.items()), facts)


def system() -> Finding:
    """Return what this runs on."""
    facts = {"system": platform.system(), "release": platform.release(), "machine": platform.machine()}
    return Finding("ok", " ".join(facts.values()), {**facts, "implementation": sys.implementation.name})


def wasm_files(folder: Path | None = None) -> Finding:
    """Compare the guest's WebAssembly files with what they should be."""
    folder = folder or Path(str(files("torpor.guests.quickjs"))) / "wasm"
    states = {name: _file_state(folder / name, expected) for name, expected in WASM_SHA256.items()}
    facts = {"folder": str(folder), "files": states}
    wrong = [f"{name} {state}" for name, state in states.items() if state != "ok"]
    if wrong:
        return Finding("failed", f"{', '.join(wrong)} in {folder}; install torpor again from its wheel", facts)
    return Finding("ok", f"{len(states)} files, hashes as expected", facts)


def _file_state(path: Path, expected: str) -> str:
    if not path.is_file():
        return "missing"
    return "ok" if hashlib.sha256(path.read_bytes()).hexdigest() == expected else "differs"


def memory_backend() -> Finding:
    """Return how VM memory is kept here, and why."""
    backend = choose_backend()
    facts = {"name": backend.name, "reason": backend.reason}
    if backend.name == "cow":
        return Finding("ok", f"copy-on-write: {backend.reason}", facts)
    return Finding("note", f"portable (slower): {backend.reason}", facts)


def descriptors() -> Finding:
    """Look whether a worker with the usual settings may open as many files as it may need."""
    needed = WorkerSettings().descriptors
    problem = lacking_descriptors(needed)
    if problem is not None:
        return Finding("note", problem, {"enough": False, "needed": needed})
    return Finding("ok", f"a worker may open the {needed} files that it may come to need", {"enough": True})


def compiled_code() -> Finding:
    """Look whether the folder of compiled code is one that nobody else can write."""
    folder = default_directory()
    reason = distrusted_folder(folder)
    facts = {"folder": str(folder), "trusted": reason is None}
    if reason is not None:
        return Finding("note", f"compiled code in {folder} is not used: {reason}", facts)
    return Finding("ok", f"{folder} is written by nobody but you and root", facts)


def boot() -> Finding:
    """Boot the JavaScript guest and run a workflow in it; say whether the compiled code was there before."""
    folder = default_directory()
    before = _compiled(folder)
    began = time.perf_counter()
    guest = QuickJS()
    program = Program(
        guest="quickjs",
        build=guest.build,
        files={"./examination.js": _SOURCE},
        entries=["./examination.js"],
        workflows={"workflow//./examination.js//examination": ("./examination.js", "examination")},
    )
    image = guest.load(program)
    booted = time.perf_counter()
    vm = guest.lease(image)
    try:
        begin = Begin("wrun_doctor", next(iter(program.workflows)), _text([41]), seed=bytes(SEED_BYTES), at=0)
        outbox = vm.begin(begin)
    finally:
        vm.release()
        guest.close()
    if outbox.value is None or codec.loads(codec.pack_devalue(outbox.value)) != 42:
        raise VmError(f"the JavaScript guest computed {outbox.value!r} for 41 + 1; install torpor again")
    ran = time.perf_counter()
    after = _compiled(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.cwasm"))
    facts = {
        "boot_ms": round((booted - began) * 1000, 1),
        "run_ms": round((ran - booted) * 1000, 1),
        "cache_folder": str(folder),
        "cache_bytes": size,
        "was_compiled": bool(after) and after == before,
        "is_compiled": bool(after),
    }
    took = f"QuickJS booted in {facts['boot_ms']} ms, ran a workflow in {facts['run_ms']} ms"
    if not after:
        return Finding("note", f"{took}; compiled code cannot be kept in {folder}; set TORPOR_CACHE", facts)
    kept = "from compiled code" if facts["was_compiled"] else "compiled now, for the next time,"
    return Finding("ok", f"{took}; {kept} in {folder} ({bytes_text(size)})", facts)


def python_guest() -> Finding:
    """Look whether Python workflows can run here, without compiling anything."""
    guest = CPython()
    folder = default_directory()
    size = sum(path.stat().st_size for path in folder.glob("cpython*"))
    facts = {
        "version": guest.version,
        "is_compiled": guest.module_path.exists(),
        "is_booted": guest.boot_path.exists(),
        "cache_folder": str(folder),
        "cache_bytes": size,
        "packages": guest.packages,
    }
    guest.close()
    carried = f"CPython {guest.version} with {counted(len(guest.packages), 'package')} (list them with --json)"
    if not facts["is_compiled"]:
        return Finding("note", f"{carried}; not compiled yet, which takes some ten seconds: torpor warm", facts)
    return Finding("ok", f"{carried}; compiled in {folder} ({bytes_text(size)})", facts)


def _text(value: Any) -> str:
    return codec.unpack_devalue(codec.dumps(value))


def _compiled(folder: Path) -> set[str]:
    """Return the names of the compiled modules of the JavaScript guest."""
    return {path.name for path in folder.glob("quickjs*.cwasm")}


def application(app: Torpor) -> Finding:
    """Read the application's workflow files."""
    programs = app.programs.all()
    facts = {
        "root": str(app.root),
        "workflows": sorted(name for program in programs for name in program.workflows),
        "steps": sorted(app.step_names()),
    }
    text = f"{counted(len(facts['workflows']), 'workflow')}, {counted(len(facts['steps']), 'step')} in {app.root}"
    return Finding("ok" if facts["workflows"] else "note", text, facts)


def shared_images(app: Torpor) -> Finding:
    """Look for lines in module scope that keep runs from sharing an image, as far as guests are compiled."""
    compiled = {"quickjs": True, "cpython": bool(python_guest().facts.get("is_compiled"))}
    programs = [program for program in app.programs.all() if compiled.get(program.guest)]
    images = [app.programs.guest(program.guest).load(program) for program in programs]
    places = [image.per_run for image in images if image.per_run is not None]
    facts = {"programs": len(programs), "unshared": places}
    if places:
        return Finding("note", "; ".join(map(unshared_text, places)), facts)
    return Finding("ok", f"runs of {counted(len(programs), 'program')} share what is loaded", facts)


def encryption(keyring: Keyring) -> Finding:
    """Say whether what runs store is encrypted."""
    facts = {"current": keyring.current or None, "keys": list(keyring.ids)}
    if not keyring.ids:
        return Finding("note", f"off: what runs store is plain; torpor keys generate makes a key for {SETTING}", facts)
    older = f", {counted(len(keyring.ids) - 1, 'older key')} for reading" if len(keyring.ids) > 1 else ""
    return Finding("ok", f"on: new runs use key {keyring.current}{older}", facts)


async def readable_runs(world: World, keyring: Keyring) -> Finding:
    """Look for unfinished runs whose key is not here."""
    missing = {key: count for key, count in (await world.runs_by_key(live=True)).items() if key not in keyring.ids}
    if not missing:
        return Finding("ok", "the keys of all unfinished runs are here", {"missing": {}})
    told = ", ".join(f"{key} ({counted(count, 'run')})" for key, count in missing.items())
    text = f"unfinished runs wait for keys that are missing in {SETTING}: {told}"
    return Finding("failed", text, {"missing": missing})


async def reachable_world(world: World) -> Finding:
    """Open the world, if it is there."""
    try:
        refuse_missing_file(world.url)
    except ConfigurationError as error:
        return Finding("note", str(error), {"url": world.url, "exists": False})
    before = schema_version(world.url)
    await world.open()
    facts = {
        "url": world.url,
        "exists": True,
        "schema_version": schema_version(world.url),
        "capabilities": msgspec.structs.asdict(world.capabilities),
    }
    migrated = f" (migrated now from {before})" if before != facts["schema_version"] else ""
    schema = "" if facts["schema_version"] is None else f", schema {facts['schema_version']}{migrated}"
    able = ", ".join(name for name in ("durable", "shared") if getattr(world.capabilities, name)) or "this process only"
    return Finding("ok", f"{world.url} is reachable{schema}; {able}", facts)


async def place_of(world: World) -> dict[str, Finding]:
    """Look at where the world is: settings, room, load and clocks."""
    examine = getattr(world, "examine_server", None)
    if examine is not None:
        return {name: Finding(told.status, told.text) for name, told in (await examine()).items()}
    found = await asyncio.to_thread(conditions, address_of(world))
    findings = {each.name: Finding(each.status, each.text, each.facts) for each in found}
    return findings or await _clock_of(world)


async def _clock_of(world: World) -> dict[str, Finding]:
    """Compare the clock of a world behind a URL with this machine's; of others it is the same."""
    if not world.url.startswith(("http:", "https:")):
        return {}
    offset_ms = world.clock.now() - SystemClock().now()
    facts = {"offset_ms": offset_ms}
    if abs(offset_ms) <= CLOCK_OFFSET_NOTED_MS:
        return {"clock": Finding("ok", f"{abs(offset_ms)} ms apart from this machine's", facts)}
    text = f"the server's is {abs(offset_ms) / 1000:.1f} s {'ahead of' if offset_ms > 0 else 'behind'} this machine's"
    return {"clock": Finding("note", f"{text}, and what is due goes by it", facts)}


async def kept_builds(world: World) -> Finding:
    """Look at the guest builds that the world keeps, and at those that its runs need."""
    kept = await read_kept(world)
    installed = guests()
    here = {installed(name).build for name in LANGUAGES}
    facts = msgspec.to_builtins(kept) | {"installed": sorted(here)}
    if lost := [build for build in kept.missing if build not in here]:
        told = ", ".join(f"{build[:12]}…" for build in lost)
        return Finding(
            "note",
            f"runs need guest builds that are neither kept in this world nor installed here ({told}): start a worker "
            f"of the version that they began with; else they go on if a replay of their logs agrees",
            facts,
        )
    needed = sum(each.is_needed for each in kept.builds)
    return Finding(
        "ok",
        f"{counted(len(kept.builds), 'guest build')} ({bytes_text(kept.build_bytes)}), {needed} needed by runs; "
        f"{counted(kept.images, 'image')} ({bytes_text(kept.image_bytes)})",
        facts,
    )


async def sound_rows(world: World, keyring: Keyring) -> Finding:
    """Look for rows that make no sense, and for runs whose parts do not agree."""
    damage = await find_damage(world, keyring)
    if not damage:
        return Finding("ok", "nothing is damaged", {"damaged": {}})
    told = "\n".join(damage.values())
    return Finding("failed", f"{counted(len(damage), 'thing')} damaged:\n{told}", {"damaged": damage})


async def working(reader: Reader) -> Finding:
    """Look for workers."""
    living, dead = await reader.workers()
    facts = {
        "alive": [{"id": worker.id, "machine": worker.machine, "pid": worker.pid} for worker in living],
        "dead": dead,
    }
    if not living:
        return Finding("note", "none is at work; start one with: torpor worker", facts)
    return Finding("ok", ", ".join(f"{worker.id} (pid {worker.pid})" for worker in living), facts)


async def served_runs(reader: Reader) -> Finding:
    """Look for unfinished runs of applications that have no worker at work."""
    unserved = await reader.unserved()
    if not unserved:
        return Finding("ok", "all that have unfinished runs have a worker at work", {"unserved": {}})
    told = ", ".join(
        f"{app!r} ({counted(count, 'run')})" if app else counted(count, "run") for app, count in unserved.items()
    )
    return Finding("note", f"unfinished runs wait for a worker of their application: {told}", {"unserved": unserved})


async def met_steps(reader: Reader) -> Finding:
    """Look for steps that wait for a worker which has them."""
    unmet = await reader.unmet()
    facts = {
        "unmet": [
            {"app": each.steps.app, "step": each.steps.name, "calls": each.steps.count, "reason": each.reason}
            for each in unmet
        ]
    }
    if not unmet:
        return Finding("ok", "none waits for a worker that has it", facts)
    # While nobody is at work everything waits, which is said of the workers.
    status: Status = "failed" if any(each.workers for each in unmet) else "note"
    return Finding(status, "; ".join(map(str, unmet)), facts)


def failure(error: TorporError | OSError) -> Finding:
    """Return what a check found that could not be carried out."""
    code = error.code if isinstance(error, TorporError) else "OS"
    return Finding("failed", f"{code}: {error}", {"code": code})
