"""What the JavaScript guest is made of: the installed one's manifest and files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from torpor.errors import ConfigurationError
from torpor.guests.quickjs.modules import API, INTERNAL
from torpor.limits import KIB, MIB
from torpor.vm.manifest import HEARS, FileEntry, InstalledFiles, Manifest

NAME: Final = "quickjs"

PROTOCOL: Final = 1
"""
Counted up when the halves of this guest agree on something else: messages, the driver's cells, host functions, WASI, or
the layout that ``linking.py`` makes.

Builds of an earlier number are driven as before or refused, never driven differently.
"""

MAIN: Final = "quickjs.wasm"

TELLS: Final = "torpor:interrupted"
"""Module of builds that tell where they were when their CPU time was over; those of 0.1.0 do not."""

_EXTENSIONS: Final = ("url", "encoding", "headers", "structured-clone", "crypto")
_FOLDER: Final = Path(str(files("torpor.guests.quickjs")))

HEAP_RESERVE_BYTES: Final = 1 * MIB
"""
Heap that the boot image has to spare.

Memory that grew cannot shrink, so a run that makes it grow costs the pool an instance; with this much, and what the
headroom below leaves behind, there is a collection before there is growth.
"""

JS_STACK_BYTES: Final = 256 * KIB
"""
Stack of JavaScript, enough for about a thousand calls. Each frame takes four to ten times as much native stack (most in
``JSON.parse``), which must not end first: see :data:`torpor.vm.engine.STACK_BYTES`.
"""

GC_THRESHOLD_BYTES: Final = 4 * MIB
"""
Heap in use (about a third of it the guest's own) that starts a collection of cycles; all else is freed at once without
one. A collection writes to every page, but leaves most as they were, since it was done before the image was taken.
"""

_HEADROOM: Final = """
const objects = [];
for (let i = 0; i < 4200; i++) objects.push({ ["torpor headroom " + i]: i });
"""
"""
Makes QuickJS grow its tables of property names and object shapes, which never shrink: when one of them grows in a run,
all of it moves into the run's snapshots.
"""


class JavaScriptManifest(Manifest, frozen=True, kw_only=True):
    """
    What a JavaScript guest is made of; its files are :data:`MAIN` and the extensions.

    Attributes:
        extensions: shared libraries in link order.
        driver, allocator: WebAssembly text of what stands between host and guest.
        headroom: JavaScript that is evaluated before all else.
        modules: the guest's own modules by name.
        heap_reserve_bytes, js_stack_bytes, gc_threshold_bytes: how it is booted.
    """

    extensions: list[str]
    driver: str
    allocator: str
    headroom: str
    modules: dict[str, str]
    heap_reserve_bytes: int
    js_stack_bytes: int
    gc_threshold_bytes: int

    @property
    def tells(self) -> bool:
        """Whether the guest is to be interrupted before it is ended, and says then where it was."""
        return TELLS in self.modules


def installed_manifest(bootstrap: Path | None) -> tuple[JavaScriptManifest, InstalledFiles]:
    """
    Return the manifest of the guest that is installed here, and its files.

    Args:
        bootstrap: directory of the guest's own modules; Torpor's without it.

    Raises:
        ConfigurationError: the installation lacks files.
    """
    paths = {MAIN: _FOLDER / "wasm" / MAIN} | {name: _FOLDER / "wasm" / f"{name}.so" for name in _EXTENSIONS}
    entries = _entries(paths)
    manifest = JavaScriptManifest(
        guest=NAME,
        protocol=PROTOCOL,
        hears=list(HEARS),
        files=entries,
        extensions=list(_EXTENSIONS),
        driver=_FOLDER.joinpath("driver.wat").read_text("utf-8"),
        allocator=_FOLDER.joinpath("allocator.wat").read_text("utf-8"),
        headroom=_HEADROOM,
        modules=_modules(bootstrap or _FOLDER / "bootstrap"),
        heap_reserve_bytes=HEAP_RESERVE_BYTES,
        js_stack_bytes=JS_STACK_BYTES,
        gc_threshold_bytes=GC_THRESHOLD_BYTES,
    )
    return manifest, InstalledFiles(paths, entries, "install Torpor from its wheel, or run the build")


def _entries(paths: Mapping[str, Path]) -> dict[str, FileEntry]:
    try:
        return {name: FileEntry.of(path.read_bytes()) for name, path in paths.items()}
    except OSError as problem:
        raise ConfigurationError(
            f"the JavaScript guest is incomplete: {problem}; install Torpor from its wheel, or run the build"
        ) from problem


def _modules(directory: Path) -> dict[str, str]:
    modules = {}
    for path in sorted(directory.glob("*.js")):
        name = API if path.stem == API else f"{INTERNAL}{path.stem}"
        modules[name] = path.read_text("utf-8")
    for needed in (f"{INTERNAL}main", API):
        if needed not in modules:
            raise ConfigurationError(f"{directory} has no module {needed}; reinstall Torpor")
    return modules
