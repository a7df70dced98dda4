"""The guest as it is shipped: the package's own bootstrap on both memory back ends."""

from __future__ import annotations

import zstandard

from tests.guests.support import NOW, SEED
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Begin, Delivery, Program

SOURCE = """
import { sleep } from "workflow";
export async function main() {
  const seen = [Math.random(), crypto.randomUUID()];
  for (let i = 0; i < 3; i++) {
    await sleep(1000);
    seen.push(Date.now(), Math.random());
  }
  return JSON.stringify(seen);
}
"""
PROGRAM = Program("quickjs", "", {"./main.js": SOURCE}, ["./main.js"], {"main": ("./main.js", "main")})


def test_a_workflow_sleeps_in_five_kilobytes_and_ends_as_if_it_had_not(backend: str) -> None:
    """
    Parked and woken in another VM at every sleep, a workflow returns what it returns without a pause.
    """
    js = QuickJS(backend=backend)
    image = js.load(PROGRAM)
    results = []
    for parks in (False, True):
        vm = js.lease(image)
        out = vm.begin(Begin("wrun_1", "main", "devl[[]]", SEED, NOW))
        for op in range(1, 4):
            assert [(o.n, o.type, o.due) for o in out.ops] == [(op, "wait", NOW + op * 1000)]
            if parks:
                snapshot = vm.snapshot()
                assert len(zstandard.compress(snapshot, 1)) < 5 * 1024
                vm.release()
                vm = js.lease(image)
                vm.restore(snapshot, SEED)
            out = vm.deliver([Delivery("wait_completed", op, NOW + op * 1000)])
        results.append((out.status, out.value))
        vm.release()
    js.close()

    assert results[0] == results[1]
    assert results[0][0] == "completed"
