"""People fork runs, wherever these stand; a fork is a run like any other, and comes to what its program may."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torpor import forking
from torpor.client import Client
from torpor.errors import DivergenceError, UsageError, VmError
from torpor.model import Run
from torpor.testing.simulation.machinery import Machinery
from torpor.testing.simulation.nodes import token_of
from torpor.testing.simulation.script import Script, tokens
from torpor.testing.simulation.story import where
from torpor.vm.guest import Guest
from torpor.vm.manifest import StoredBuild

_MADE = frozenset(("hook_created", "hook_conflict"))


class Expected(NamedTuple):
    """A hook of a run: its name in the program, its token, and how many payloads it takes, and has got."""

    name: str
    token: str
    takes: int
    got: int = 0


class Forks:
    """
    Forks runs of one simulation.

    Args:
        client: of the world.
        machineries: the guest builds that there are, the newest last, which is installed.
        found: told what is wrong.
    """

    def __init__(self, client: Client, machineries: Sequence[Machinery], found: Callable[[str], None]) -> None:
        self._client = client
        self._made = {each.guest.manifest: each.guest for each in machineries}
        self._installed = machineries[-1].guest
        self._found = found

    async def fork(self, run_id: str, at: int, new_id: str) -> Run | None:
        """
        Return a new run that goes on from a place of another one's log, None where nothing goes on from there.

        Raises:
            WorldError: the world does not answer.
        """
        asked = forking.Asked(run_id, at, new_id)
        try:
            return await forking.fork(self._client.world, self._guests, self._client.keyring, asked)
        except UsageError:
            return None  # it was ending there, or was being cancelled
        except (DivergenceError, VmError) as error:
            self._found(f"{run_id}: it cannot be forked after event {at}{where(error)}")
            return None

    async def hooks(self, fork: Run, script: Script) -> list[Expected] | None:
        """
        Return the hooks of a fork: those that were open have new tokens, and may have got something already. None when
        they cannot be told yet: what its code had asked for at that place, its origin has not stored.

        Raises:
            WorldError: the world does not answer.
        """
        world = self._client.world
        events = await world.events(fork.id)
        forked = next(event for event in events if event.type == "run_forked")
        names = {event.op: event.name for event in await world.events(forked.ref) if event.type in _MADE}
        found = {name: Expected(name, token_of(name, fork.id), takes) for name, takes in tokens(script)}
        for event in events[: forked.seq]:
            if event.type != "hook_created" or event.watches:
                continue
            if event.op not in names:
                return None
            name = names[event.op].removeprefix(f"{forked.ref}/")
            got = sum(each.type == "hook_received" and each.id == event.id for each in events)
            found[name] = found[name]._replace(token=event.name, got=got)
        return list(found.values())

    def _guests(self, _name: str, stored: StoredBuild | None = None, /) -> Guest:
        return self._installed if stored is None else self._made[stored.manifest]
