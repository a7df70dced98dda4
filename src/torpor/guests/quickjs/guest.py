"""The JavaScript guest."""

from __future__ import annotations

import threading
from pathlib import Path

from torpor.errors import ConfigurationError, ProgramError, VmError
from torpor.guests.quickjs.boot import Booted, boot
from torpor.guests.quickjs.bootfile import booted_from
from torpor.guests.quickjs.heap.probe import PROBE, complaint
from torpor.guests.quickjs.instance import Build, QuickJsInstance
from torpor.guests.quickjs.linking import Plan
from torpor.guests.quickjs.manifest import NAME, PROTOCOL, JavaScriptManifest, installed_manifest
from torpor.guests.quickjs.modules import API, INTERNAL
from torpor.guests.quickjs.vm import QuickJsImage, QuickJsVm, load_first, load_program
from torpor.vm.base_vm import Loaded
from torpor.vm.engine import shared_engine
from torpor.vm.guest import Image, Program, Vm, program_id
from torpor.vm.image import MemoryImage, unpack_image
from torpor.vm.limits import Limits
from torpor.vm.manifest import BuildFiles, StoredBuild, StoredFiles, build_of, manifest_bytes, read_manifest
from torpor.vm.pages import Backend, choose_backend
from torpor.vm.pool import Pool


class QuickJS:
    """
    JavaScript in QuickJS-NG; see :class:`torpor.vm.guest.Guest`.

    Nothing is compiled or booted before the first program is loaded.

    Args:
        limits: bounds of each VM.
        pool_size: most VMs kept idle.
        backend: ``cow`` or ``portable``; without it the best one that works here.
        cache_dir: where compiled WebAssembly and the boot image are kept.
        bootstrap: directory of the guest's own modules.
        stored: a build from elsewhere, instead of what is installed here.

    Raises:
        ConfigurationError: no such back end, the installation lacks files, or such a build is not driven here.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        pool_size: int = 32,
        backend: str | None = None,
        cache_dir: str | Path | None = None,
        bootstrap: str | Path | None = None,
        stored: StoredBuild | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._backend = choose_backend(backend)
        self._cache = Path(cache_dir) if cache_dir is not None else None
        self.files: BuildFiles
        if stored is None:
            manifest, self.files = installed_manifest(None if bootstrap is None else Path(bootstrap))
            self.manifest = manifest_bytes(manifest)
        else:
            self.manifest = stored.manifest
        # Also what is installed is read from its bytes, so that nothing depends on an order that they do not have.
        self._manifest = read_manifest(self.manifest, JavaScriptManifest, NAME, {PROTOCOL})
        if stored is not None:
            self.files = StoredFiles(self._manifest.files, stored, shared_engine(self._cache).cache.path_of)
        self.build = build_of(self.manifest)
        self._lock = threading.Lock()
        self._booted: tuple[Build, Booted, Plan] | None = None
        self._readable: str | None = None
        self._pool: Pool[QuickJsInstance] = Pool(self._create, pool_size)

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
        _refuse_names(program)
        _, booted, _ = self._boot()
        instance = self._pool.lease(booted.image)
        instance.bound(cpu_seconds)
        try:
            loaded = load_first(instance, program)
            loaded.require(program)
            if loaded.impure is None and not (instance.wasi.clock_reads or instance.wasi.draws):
                instance.tidy()
                return self._image(instance.freeze(), program, None)
        finally:
            instance.bound()
            self._pool.give_back(instance)
        return self._image(booted.image, program, self._impure_place(program, loaded))

    def revive(self, data: bytes, program: Program) -> Image:
        header, memory = unpack_image(data)
        header.require(self.build, program_id(program))
        image = MemoryImage(memory, header.stack_pointer)
        booted = self._booted
        if booted is not None and booted[1].image.hash == image.hash:  # a program that is evaluated per run
            image = booted[1].image
        return self._image(image, program, header.per_run)

    def lease(self, image: Image) -> Vm:
        if not isinstance(image, QuickJsImage):
            raise ConfigurationError(
                f"{type(image).__name__} is no image of the guest {NAME}; lease from its own guest"
            )
        self._boot()
        return QuickJsVm(self._pool, image, self._verify)

    def prepare(self) -> None:
        self._pool.prepare(self._boot()[1].image)

    def retire(self) -> None:
        self._pool.retire()

    def close(self) -> None:
        """Free all idle VMs; leased ones are freed when they are released."""
        self._pool.close()

    @property
    def boot_path(self) -> Path:
        """Where the boot image is kept."""
        return shared_engine(self._cache).cache.path_of(f"{NAME}-boot-{self.build[:32]}.image")

    def _boot(self) -> tuple[Build, Booted, Plan]:
        with self._lock:
            if self._booted is None:
                engine = shared_engine(self._cache)
                build = Build(engine, self._manifest, self.files)
                booted = booted_from(self.boot_path, lambda: self._first_boot(build), engine.cache.progress)
                self._booted = build, booted, build.plan(booted.layout)
            return self._booted

    def _first_boot(self, build: Build) -> Booted:
        try:
            return boot(build, self._limits, self._backend)
        except VmError as problem:  # no run's doing, and no VM is left
            raise ConfigurationError(f"the guest {NAME} does not boot: {problem}") from problem

    def _create(self) -> QuickJsInstance:
        build, booted, plan = self._boot()
        return QuickJsInstance(build, self._limits, self._backend, plan, booted.handles)

    def _verify(self) -> None:
        """
        Check, once, that the heap of this build is laid out as it is read.

        Raises:
            ConfigurationError: it is not.
        """
        if self._readable is None:
            _, booted, _ = self._boot()
            image = QuickJsImage(self.build, booted.image, PROBE, "a probe")
            vm = QuickJsVm(self._pool, image, lambda: None)
            try:
                self._readable = complaint(vm)
            finally:
                vm.release()
        if self._readable:
            raise ConfigurationError(
                f"what functions await and hold cannot be read in this build of the guest {NAME}: {self._readable}; "
                "`torpor inspect` shows the run's open steps, waits and hooks"
            )

    def _image(self, memory: MemoryImage, program: Program, per_run: str | None) -> QuickJsImage:
        return QuickJsImage(self.build, memory, program, per_run)

    def _impure_place(self, program: Program, loaded: Loaded) -> str:
        """Load once more, in a VM that is thrown away, to learn which line made the program impure."""
        _, booted, _ = self._boot()
        instance = self._pool.lease(booted.image)
        try:
            traced = load_program(instance, program, trace=True)
            return traced.impure or loaded.impure or program.entries[0]
        finally:
            self._pool.give_back(instance)


def _refuse_names(program: Program) -> None:
    for name in program.files:
        if name == API or name.startswith(INTERNAL):
            raise ProgramError(f"a program's module cannot be called {name!r}, which is Torpor's; rename it")
