"""What runs the programs of a simulation: VMs by model, or the real ones of JavaScript."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

import msgspec

from torpor.guests.quickjs import QuickJS
from torpor.model import DeployedWorkflow
from torpor.testing.simulation.guest import ModelGuest, ModelVm, State, write_program
from torpor.testing.simulation.script import Script
from torpor.vm.guest import Guest, Image, Program, Vm, program_id

Machine = Literal["model", "quickjs"]

_STEP_FILE: Final = "./simulation.py"
_STEP_PROXIES: Final = """\
import { stepsOf } from "torpor:steps";
const names = %s;
const proxies = stepsOf(%s, names);
export const steps = Object.fromEntries(names.map((name, place) => [name, proxies[place]]));
"""
_PLAYER: Final = """\
import { createHook, getRun, getWorkflowMetadata, receive, sleep } from "workflow";
import { steps } from "./simulation.py";

async function play(script) {
  const { kind, name = "", number = 0, flag = false, inside = [] } = script;
  switch (kind) {
    case "step":
      return steps[name](number).then((value) => ["ok", value], () => ["failed", number]);
    case "sleep":
      await sleep(number);
      return null;
    case "log":
      console.log(`line of ${getWorkflowMetadata().workflowRunId}`);
      return null;
    case "random":
      return Math.floor(Math.random() * 2 ** 24);
    case "clock":
      return Date.now();
    case "child":
      return ["child", await getRun(await steps.start(name)).result()];
    case "fail":
      throw new Error("the program throws");
    case "hook":
      return resumed(name, number, flag);
    case "mail": {
      const messages = [];
      while (messages.length < number) messages.push(await receive(name));
      return messages;
    }
    case "all":
      return Promise.all(inside.map(play));
    case "race":
      return Promise.race(inside.map(async (each, place) => [place, await play(each)]));
  }
  const results = [];
  for (const each of inside) results.push(await play(each));
  return results;
}

async function resumed(name, number, flag) {
  const token = name === "shared" ? name : `${getWorkflowMetadata().workflowRunId}/${name}`;
  const hook = createHook({ token });
  const got = [];
  try {
    if (flag && await hook.getConflict()) return "conflict";
    while (got.length < number) got.push(await hook);
    return got;
  } catch (error) {
    if (error.name === "HookConflictError") return "conflict";
    throw error;
  } finally {
    hook.dispose();
  }
}

"""


@dataclass(frozen=True, slots=True)
class Machinery:
    """
    A guest build, with the program of one simulation that was made for it.

    Attributes:
        guest: runs it.
        program: what it runs.
        same_state: returns whether a VM is in the state of a snapshot, True where nobody can tell.
    """

    guest: Guest
    program: Program
    same_state: Callable[[Vm, bytes], bool]
    _images: dict[str, Image] = field(default_factory=dict)

    @property
    def workflows(self) -> dict[str, DeployedWorkflow]:
        """What there is to start, by name."""
        program = self.program
        about = DeployedWorkflow(program_id(program), program.guest, program.build, "()")
        return dict.fromkeys(program.workflows, about)

    def image(self, program: Program) -> Image:
        """Return the image of a program, perhaps one that was made for another build."""
        address = program_id(program)
        if address not in self._images:
            self._images[address] = self.guest.load(program)
        return self._images[address]


def make_machinery(
    machine: Machine, scripts: Mapping[str, Script], steps: Mapping[str, str], complain: Callable[[str], None]
) -> list[Machinery]:
    """
    Return what runs these programs: guest builds, the newest last.

    Args:
        machine: by model, or really.
        scripts: the programs, by name.
        steps: signatures of the steps that they may call.
        complain: told what no log can deliver, by VMs that notice.
    """
    if machine == "model":
        models = [ModelGuest(version, complain) for version in (1, 2)]
        return [Machinery(model, write_program(scripts, steps, model.build), _is_state) for model in models]
    guest = _quickjs()
    return [Machinery(guest, _write_javascript(scripts, steps, guest.build), lambda _vm, _data: True)]


class LackingGuest:
    """
    A guest whose host may lack something; else it is the one that it is made of.

    Args:
        machinery: the guest.
        before: called with what is about to be done (``load``, ``lease``, ``restore``); raises what the host refuses.
    """

    def __init__(self, machinery: Machinery, before: Callable[[str], None]) -> None:
        self._machinery = machinery
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machinery.guest, name)

    def load(self, program: Program, *, cpu_seconds: float | None = None) -> Image:  # models take none
        """Return the image of a program, made once for all workers."""
        self._before("load")
        return self._machinery.image(program)

    def lease(self, image: Image) -> Vm:
        """Return a VM whose snapshot may be refused."""
        self._before("lease")
        return cast("Vm", _LackingVm(self._machinery.guest.lease(image), self._before))


class _LackingVm:
    def __init__(self, vm: Vm, before: Callable[[str], None]) -> None:
        self._vm = vm
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vm, name)

    def restore(self, snapshot: bytes, seed: bytes) -> None:
        self._before("restore")
        self._vm.restore(snapshot, seed)


def _is_state(vm: Vm, data: bytes) -> bool:
    assert isinstance(vm, ModelVm), "models are compared with models"
    return bool(msgspec.json.decode(data, type=State) == vm.state)


@functools.cache
def _quickjs() -> Guest:
    return QuickJS()


def _write_javascript(scripts: Mapping[str, Script], steps: Mapping[str, str], build: str) -> Program:
    """Return the program that plays these scripts in JavaScript."""
    names = [name.rpartition("//")[2] for name in steps if name.startswith(f"step//{_STEP_FILE}//")]
    main = _PLAYER + "".join(
        f"export function {name}() {{ return play({msgspec.json.encode(script).decode()}); }}\n"
        for name, script in scripts.items()
    )
    proxies = _STEP_PROXIES % (msgspec.json.encode(names).decode(), msgspec.json.encode(_STEP_FILE).decode())
    return Program(
        "quickjs",
        build,
        {"./main.js": main, _STEP_FILE: proxies},
        ["./main.js"],
        {name: ("./main.js", name) for name in scripts},
        steps=dict(steps),
    )
