"""Workers, and what they bring."""

from __future__ import annotations

from typing import Final

import msgspec

GONE_MS: Final = 2_000
"""For so long a worker may be without its connection to the world, as one whose connection was cut is, and be back."""


class WorkerRow(msgspec.Struct, frozen=True):
    """
    A worker process as others see it.

    Attributes:
        id: ``wrkr_<ULID>``.
        machine: identity of the host and its process namespace; equal only where pids can be compared.
        pid: process id.
        born: start time of the process, to tell a reused pid apart.
        lease_ms: how long a silence counts as life.
        app: name of its application.
        deployment: id of its deployment, ``""`` when it stored none.
        seen_at: last heartbeat, by the world's clock; the world's to set.
        silent_ms: how long ago that was, by the world's steady clock; the world's to tell.
        presence: what its process is known by to a world that sees who is connected, ``""`` where none does.
        gone_ms: for how long its process has been seen to have no connection, None when it has one, or nobody knows;
            the world's to tell.
    """

    id: str
    machine: str
    pid: int
    born: int
    lease_ms: int
    app: str = ""
    deployment: str = ""
    seen_at: int = 0
    silent_ms: int = 0
    presence: str = ""
    gone_ms: int | None = None

    @property
    def expired(self) -> bool:
        """Whether the silence is longer than the lease, or its connection has not come back."""
        return self.silent_ms > self.lease_ms or (self.gone_ms is not None and self.gone_ms >= GONE_MS)


class Heartbeat(msgspec.Struct, frozen=True):
    """
    The world's answer to a sign of life.

    Attributes:
        known: False when the worker's row is gone: it was presumed dead and released, and must register anew.
        others: the other workers, so that the dead among them are found.
        orphans: how many tasks this heartbeat took from owners that have no row at all.
    """

    known: bool
    others: tuple[WorkerRow, ...] = ()
    orphans: int = 0


class DeployedWorkflow(msgspec.Struct, frozen=True):
    """
    A workflow of a deployment.

    Attributes:
        program: content address.
        guest, build: of the program.
        signature: text of the parameters, by which arguments are checked; ``""`` when it is not known.
        queue: in which its runs are started that are started in no other, ``""`` for none.
    """

    program: str
    guest: str
    build: str
    signature: str = ""
    queue: str = ""


class Deployment(msgspec.Struct, frozen=True):
    """
    What a worker brings: which workflows of an application it knows, and which steps it can carry out.

    Attributes:
        id: content address of what follows, without the time.
        app: name of the application.
        workflows: by full name.
        steps: full name → text of its signature; aliases of renamed steps are among them.
        created_at: when a worker stored it first, by the world's clock; the world's to set.
    """

    id: str
    app: str
    workflows: dict[str, DeployedWorkflow] = {}
    steps: dict[str, str] = {}
    created_at: int = 0
