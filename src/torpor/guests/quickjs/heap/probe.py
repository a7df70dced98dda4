"""
The test that reading has to pass before it is believed: a program whose functions and values are known.

A build of the engine that lays anything out otherwise shows something else of it, or nothing.
"""

from __future__ import annotations

from typing import Final, Protocol

from torpor.errors import TorporError
from torpor.vm.guest import Begin, Outbox, Program, TaskStack

_FILE: Final = "./probe.js"
_SOURCE: Final = """\
import { sleep } from "workflow";
class Probe { #hidden = 1; constructor(shown) { this.shown = shown; } }
async function* counted(n) { for (let i = 1; i < n; i++) { await sleep(1000); yield i; } }
async function inner(first, second) {
  const text = "h\\u00e9" + first, wide = "\\u2026" + second, rope = "r".repeat(9000) + first + "r".repeat(9000);
  const list = [first, 2.5, -1, null, undefined, true], big = [2n ** 70n, -5n];
  const made = new Probe({ map: new Map([["k", 1]]), set: new Set([3]), at: new Date(0), bytes: new Uint8Array([7]) });
  const others = [/a/g, Symbol("s"), new TypeError("bad"), new Proxy({}, {}), Promise.resolve(4), () => made];
  for await (const n of counted(3)) {
    console.log(n, text, wide, rope, list, big, others, second);
  }
}
export async function probe() {
  let captured = 1;
  const outer = async (given) => { captured += given; await Promise.all([inner("one", 2), sleep(5000)]); };
  await outer(2);
}
"""
PROBE: Final = Program("quickjs", "", {_FILE: _SOURCE}, [_FILE], {"probe": (_FILE, "probe")})
"""What is read."""

_BEGIN: Final = Begin("probe", "probe", "devl[[]]", bytes(32), 1_000)
_EXPECTED: Final = (
    ("main", "", 'all of task inner("one", 2), op 2', ("probe", 16), {"captured": "3", "outer": "[Function: outer]"}),
    ("main", "", 'all of task inner("one", 2), op 2', ("outer", 15), {"given": "2", "captured": "3"}),
    (
        'inner("one", 2)',
        "main",
        "op 1",
        ("inner", 9),
        {
            "first": '"one"',
            "second": "2",
            "text": '"h\u00e9one"',
            "wide": '"\u20262"',
            "rope": f'"{"r" * 200}"\u2026 17803 more characters',
            "list": '[ "one", 2.5, -1, null, undefined, true ]',
            "big": "[ 1180591620717411303424n, -5n ]",
            "made": 'Probe { #hidden: 1, shown: { map: Map(1) { "k" => 1 }, set: Set(1) { 3 }, '
            "at: 1970-01-01T00:00:00.000Z, bytes: Uint8Array(1) [ 7 ] } }",
            "others": "[ /a/g, Symbol(s), [TypeError: bad], [Proxy of {}], Promise { 4 }, [Function: (anonymous)] ]",
        },
    ),
    ('inner("one", 2)', "main", "op 1", ("counted", 3), {"n": "3", "i": "1"}),
)


class _Vm(Protocol):
    def begin(self, begin: Begin) -> Outbox: ...

    def stack(self) -> list[TaskStack]: ...


def complaint(vm: _Vm) -> str:
    """Return what is wrong with what is read of a VM that holds the probe; ``""`` when nothing is."""
    try:
        vm.begin(_BEGIN)
        found = vm.stack()
    except TorporError as error:
        return str(error).partition("\n")[0]
    told = [
        (
            task.name,
            task.parent,
            task.waits_for,
            (frame.function, frame.line),
            {each.name: each.value for each in frame.variables},
        )
        for task in found
        for frame in task.frames
    ]
    if len(told) != len(_EXPECTED):
        return f"it shows {len(told)} of {len(_EXPECTED)} functions of a program that is known"
    for frame, expected in zip(told, _EXPECTED, strict=True):
        if frame != expected:
            return f"it shows {frame}, which is {expected}"
    return ""
