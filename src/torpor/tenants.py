"""
Tenants: programs that others have written, as customers and models do, started as text, under quotas.

::

    acme = app.tenant("acme", quotas=Quotas(cpu_per_turn=0.2, runs=2), allow=[send_mail, "host//api.example.com"])
    run = await acme.start(source, ["o-1"], language="python", workflow="main")

What a tenant is allowed and has used is in the world, whoever works on its runs. See docs/tenants.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from torpor import ids
from torpor.attributes import TENANT, Attributes
from torpor.authority import HOST, STEP
from torpor.client import Client, chosen_runtime
from torpor.codec.crypto.keys import Keyring
from torpor.codec.types.references import reference_of
from torpor.codec.values import StepFunction
from torpor.durations import Duration, When
from torpor.engine.deployments import Startable, positional
from torpor.engine.images import store_program
from torpor.errors import ConfigurationError, EntityConflictError, HookNotFoundError, TenantNotFoundError
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.model import DeployedWorkflow, Runtime
from torpor.model.flow import Limits
from torpor.model.tenants import Quotas, TenantInfo
from torpor.model.tenants import Tenant as Stored
from torpor.programs.catalogue import Programs
from torpor.programs.given import Text
from torpor.programs.languages import GIVEN
from torpor.registry import Names
from torpor.run_handle import RunHandle
from torpor.run_info import RunInfo
from torpor.signatures import signature_text
from torpor.starting import beginning
from torpor.tenant_names import checked_tenant, owned, queue_of, step_queue_of, tenant_of, token_of
from torpor.thread_start import in_thread
from torpor.vm.guest import Program, program_bytes, program_id

Language = Literal["python", "javascript", "typescript"]

_READING: Final = "reading a program"
_LOAD_SECONDS_LEAST: Final = 1.0
_GOING_MAX: Final = 100


class Application(Protocol):
    """What tenants need of their application; see :class:`torpor.app.Torpor`."""

    name: str
    client: Client
    runtime: Runtime

    @property
    def programs(self) -> Programs: ...

    @property
    def names(self) -> Names: ...


class Tenant:
    """
    A tenant of an application. What is given is stored when it is first used; what is not stays as it is stored.

    Args:
        app: the application.
        name: of the tenant, the same in the whole world.
        quotas: what it may use.
        allow: steps that its programs may call: functions, or full names with ``*`` for any characters; and ``host//``
            before hosts that they may fetch from.
        keys: encrypt its runs and programs; those of the application by default. Workers need them, too.
        opened: is awaited before the world is used.

    Raises:
        ConfigurationError: one of them is not what it should be.
    """

    def __init__(
        self,
        app: Application,
        name: str,
        *,
        quotas: Quotas | None = None,
        allow: Sequence[str | Callable[..., Any]] | None = None,
        keys: Keyring | None = None,
        opened: Callable[[], Awaitable[None]],
    ) -> None:
        self.name = checked_tenant(name)
        self._app = app
        self._quotas = quotas
        self._allow = None if allow is None else tuple(_entry(each) for each in allow)
        self._keys = keys
        self._opened = opened
        self._stored: Stored | None = None

    def __repr__(self) -> str:
        return f"Tenant({self.name!r})"

    async def save(self) -> TenantInfo:
        """
        Store what was given, and return the tenant with what it has used.

        Raises:
            EntityConflictError: another application has a tenant of this name.
            UsageError: the application is closed.
        """
        await self._ready(again=True)
        return await self.info()

    async def info(self) -> TenantInfo:
        """
        Return what the tenant may do, and what it has used.

        Raises:
            TenantNotFoundError: it was never used, or is deleted.
        """
        await self._opened()
        return await self._app.client.world.tenant(self.name)

    async def check(self, source: str, *, language: Language = "python", workflow: str = "main") -> list[str]:
        """
        Check a program without starting it: it is loaded in a VM, within the tenant's bounds. Return the names of its
        workflows.

        Raises:
            ConfigurationError: it does not load, imports what it may not, or has no such workflow; says which line.
            VmError: it passes a limit while it is loaded.
        """
        stored = await self._ready()
        program = await self._program(stored, source, language, workflow)
        load = partial(self._app.programs.guest(program.guest).load, cpu_seconds=_loading(stored.quotas))
        await in_thread("loading a program", load, program)
        return sorted(name.rpartition("//")[2] for name in program.workflows)

    async def start(
        self,
        source: str,
        args: Sequence[Any] = (),
        *,
        kwargs: Mapping[str, Any] = MappingProxyType({}),
        language: Language = "python",
        workflow: str = "main",
        run_id: str | None = None,
        runtime: Runtime | None = None,
        delay: Duration | None = None,
        deadline: When | None = None,
        attributes: Attributes | None = None,
    ) -> RunHandle[Any]:
        """
        Start a run of a program that comes as text. It is checked first, and stored once however often it is started.

        Args:
            source: the program: a module, which may import its steps from ``steps``.
            args, kwargs: of the workflow.
            language: ``python``, ``javascript`` or ``typescript``.
            workflow: name of the function to run.
            run_id: a name of your own, to start once however often you ask; the tenant's prefix goes before it.
            runtime, delay, deadline, attributes: as for :meth:`torpor.app.Torpor.start`.

        Raises:
            ConfigurationError: it does not load, imports what it may not, or has no such workflow; says which line.
            VmError: it passes a limit while it is loaded.
            QuotaExceededError: the tenant has used up what it may use.
            SerializationError, LimitExceededError, EntityConflictError: as :meth:`torpor.app.Torpor.start`.
            UsageError: the application is closed.
        """
        stored, client = await self._ready(), self._client()
        now = client.world.clock.now()
        begins = beginning(now, delay=delay, deadline=deadline, attributes=attributes)
        program = await self._program(stored, source, language, workflow)
        load = partial(self._app.programs.guest(program.guest).load, cpu_seconds=_loading(stored.quotas))
        await store_program(client.world, client.keyring, program, load)
        full = next(name for name in program.workflows if name.endswith(f"//{workflow}"))
        about = DeployedWorkflow(program_id(program), program.guest, program.build, "", queue_of(self.name))
        run = await client.create_run(
            Startable(full, self._app.name, about),
            positional(args, kwargs),
            runtime=chosen_runtime(runtime or self._app.runtime),
            run_id=owned(self.name, run_id or ids.fresh("wrun", now)),
            begins=beginning_of(self.name, begins, len(program_bytes(program))),
        )
        return self.run(run.id)

    def run(self, run_id: str) -> RunHandle[Any]:
        """
        Return a handle of a run of this tenant, given with or without the tenant's prefix.

        Raises:
            ConfigurationError: the id is another tenant's.
        """
        found = owned(self.name, run_id)
        if tenant_of(run_id) not in ("", self.name):
            raise ConfigurationError(f"run {run_id!r:.100} is not of tenant {self.name!r}")
        return self._app.client.run(found)

    async def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        attributes: Mapping[str, str] | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[RunInfo]:
        """Return the tenant's runs, newest first; see :meth:`torpor.app.Torpor.list_runs`."""
        await self._opened()
        mine = {**(attributes or {}), TENANT: self.name}
        return await self._app.client.list_runs(
            status=status, workflow=workflow, attributes=mine, before=before, limit=limit
        )

    async def resume_hook(self, token: str, payload: Any = None, *, resume_id: str | None = None) -> RunHandle[Any]:
        """
        Deliver a payload to a hook of the tenant, by the token that its code knows.

        Raises:
            HookNotFoundError: no live hook of the tenant has it.
            ArgumentError, SerializationError, LimitExceededError: as :meth:`torpor.app.Torpor.resume_hook`.
        """
        await self._opened()
        client, name = self._app.client, token_of(self.name, token)
        if resume_id is None or not await client.world.resumed(name, resume_id):
            hook = await client.world.hook(name)
            if tenant_of(hook.run_id) != self.name:
                raise HookNotFoundError(f"no live hook of tenant {self.name!r} has the token {token!r:.100}")
        return await client.resume_hook(name, payload, resume_id=resume_id)

    async def delete(self) -> int:
        """
        Cancel and delete all runs of the tenant, with its queues and what is known of it; return how many runs went.

        Programs and images that no other run needs go when workers next look after them.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._opened()
        self._stored = None
        return await delete_tenant(self._app.client, self.name)

    async def _ready(self, *, again: bool = False) -> Stored:
        """Return the tenant as it is stored, once what was given is."""
        await self._opened()
        if self._stored is not None and not again and (self._quotas is not None or self._allow is not None):
            return self._stored
        world = self._app.client.world
        try:
            before = (await world.tenant(self.name)).tenant
        except TenantNotFoundError:
            before = None
        wanted = before or Stored(self.name, self._app.name)
        quotas = wanted.quotas if self._quotas is None else self._quotas
        allow = wanted.allow if self._allow is None else self._allow
        if before is None or (quotas, allow) != (before.quotas, before.allow) or before.app != self._app.name:
            if before is None or before.app == self._app.name:
                # Before the tenant: who dies between the two has stored nothing that the next one takes for done.
                await self._limit(quotas)
            before = await world.put_tenant(Stored(self.name, self._app.name, quotas, allow))
        self._stored = before
        return before

    async def _limit(self, quotas: Quotas) -> None:
        """Have the queues of the tenant's runs and steps keep to its quotas."""
        world, app = self._app.client.world, self._app.name
        rate, period_ms = quotas.rate("step_rate")
        await world.set_queue(app, queue_of(self.name), Limits(concurrency=quotas.runs, asleep="give_back"))
        await world.set_queue(app, step_queue_of(self.name), Limits(rate=rate, period_ms=period_ms))

    async def _program(self, stored: Stored, source: str, language: str, workflow: str) -> Program:
        if language not in GIVEN:
            raise ConfigurationError(f"language={language!r:.60}: there are {', '.join(sorted(GIVEN))}")
        guest, make = GIVEN[language]
        text = Text(source, workflow, allowed_steps(stored, self._app.names), self._app.programs.guest(guest).build)
        return await in_thread(_READING, make, text)

    def _client(self) -> Client:
        client = self._app.client
        if self._keys is None:
            return client
        keyring = client.keyring.beside(self._keys).led_by(self._keys.current)
        return Client(client.world, keyring, app=client.app, cleanup=client.cleanup)


async def delete_tenant(client: Client, name: str) -> int:
    """
    Cancel and delete all runs of a tenant, and forget it; return how many runs went. See :meth:`Tenant.delete`.

    Raises:
        TenantNotFoundError: there is no such tenant.
    """
    world, gone = client.world, 0
    app = (await world.tenant(name)).tenant.app
    while True:
        runs = await world.runs_beginning_with(owned(name, ""), limit=_GOING_MAX)
        for run in runs:
            if run.status not in RUN_TERMINAL:
                await client.cancel_many([run.id], "its tenant is deleted", force=True)
            while not await world.delete_run(run.id):
                pass
            gone += 1
        if runs:
            continue
        try:
            await world.delete_tenant(name)
        except EntityConflictError:  # one has begun since
            continue
        break
    for queue in (queue_of(name), step_queue_of(name)):
        await world.delete_queue(app, queue)
    return gone


def beginning_of(tenant: str, begins: Mapping[str, Any], program_bytes: int) -> dict[str, Any]:
    """Return how a run of a tenant begins: in the tenant's queue, before nobody, and found by its name."""
    own = {name: value for name, value in begins.items() if name not in ("queue", "key", "priority")}
    attributes = {**begins.get("attributes", {}), TENANT: tenant}
    return {**own, "queue": queue_of(tenant), "attributes": attributes, "program_bytes": program_bytes}


def allowed_steps(tenant: Stored, names: Names) -> dict[str, str]:
    """Return the steps that programs of a tenant may import: signatures by full names."""
    patterns = [entry for entry in tenant.allow if entry.startswith(STEP)]
    found = {
        name: signature_text(step)
        for name, step in names.step_functions().items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    missing = [entry for entry in patterns if "*" not in entry and entry not in found]
    if missing:
        raise ConfigurationError(f"tenant {tenant.name!r} is allowed {missing[0]}, which the application does not have")
    return found


def _entry(allowed: str | Callable[..., Any]) -> str:
    if isinstance(allowed, str):
        if not allowed.startswith((STEP, HOST)):
            raise ConfigurationError(
                f"tenant(allow=[{allowed!r:.100}]): an entry is a step, the full name of one, such as "
                f"'step//./mail.py//*', or a host, such as '{HOST}api.example.com'"
            )
        return allowed
    found = reference_of(allowed)
    if not isinstance(found, StepFunction):
        raise ConfigurationError(f"tenant(allow=[{allowed!r:.100}]): it is no step; decorate it with @app.step")
    return found.step_id


def _loading(quotas: Quotas) -> float | None:
    return max(quotas.cpu_per_turn, _LOAD_SECONDS_LEAST) if quotas.cpu_per_turn else None
