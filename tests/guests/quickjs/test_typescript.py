"""What TypeScript has a meaning for at run time, evaluated in the guest."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import Author
from torpor.errors import ConfigurationError

PIECES = {
    "enum": (
        "enum E { A, B = 5, C, D = 'x', Z = B | 2, F = 'ab'.length, G = D, 'a-b' = 9, H = E.C }",
        "[E, E[5], E[9]]",
        [
            {"0": "A", "5": "B", "6": "H", "7": "Z", "2": "F", "9": "a-b"}
            | {"A": 0, "B": 5, "C": 6, "D": "x", "Z": 7, "F": 2, "G": "x", "a-b": 9, "H": 6},
            "B",
            "a-b",
        ],
    ),
    "const enum": ("const enum E { A = 1 << 3 }", "E.A", 8),
    "merged enum": ("export enum E { A } export enum E { B = A + 4 }", "[E.A, E.B]", [0, 4]),
    "enum in a block": ("const f = () => { enum E { A = 3 } return E.A }", "f()", 3),
    "namespace": (
        """namespace N {
  export const a: number = 1, { b, c: [d = 2] } = { b: 3, c: [] as number[] };
  export function f(): number { return a + g() }
  function g() { return 10 }
  export class K { static x = 5 }
  export enum E { X = 7 }
  export namespace M { export const y = a }
  export type T = string;
}""",
        "[N.a, N.b, N.d, N.f(), N.K.x, N.E.X, N.M.y, Object.keys(N)]",
        [1, 3, 2, 11, 5, 7, 1, ["a", "b", "d", "f", "K", "E", "M"]],
    ),
    "variables of a namespace": (
        "namespace N { export let a = 1; export function more() { return ++a } }",
        "[N.more(), N.a, (N.a = 10, N.more()), { ...N }.a]",
        [2, 2, 11, 11],
    ),
    "merged namespace": (
        "namespace N { export const a = 1 } namespace N { export const b = a + 1 }",
        "[N.a, N.b]",
        [1, 2],
    ),
    "namespace of many names": ("namespace A.B.C { export const d = 1 }", "A.B.C.d", 1),
    "namespace of a function": ("function f() { return 1 } namespace f { export const a = 2 }", "[f(), f.a]", [1, 2]),
    "namespace of a class": (
        "class K { m() { return 1 } } namespace K { export const a = 2 }",
        "[new K().m(), K.a]",
        [1, 2],
    ),
    "namespace with its own name inside": (
        "namespace Tax { export class Tax { rate = 2 } }",
        "new Tax.Tax().rate",
        2,
    ),
    "alias": ("namespace A { export namespace B { export const c = 1 } } import D = A.B;", "D.c", 1),
    "parameter properties": (
        """class P { base = 1 }
class K extends P {
  own = 2;
  constructor(public a: number, private readonly b = a + 1, protected c?: string) {
    super();
    this.own += this.a;
  }
}""",
        "JSON.stringify(new K(5))",
        '{"base":1,"a":5,"b":6,"own":7}',
    ),
    "fields without values": (
        "class K { a?: string; declare b: number; c!: number }",
        "Object.keys(new K())",
        ["a", "c"],
    ),
}


@pytest.mark.parametrize("piece", PIECES)
def test_value_is_that_of_typescript(author: Author, piece: str) -> None:
    """Enums, namespaces, aliases and parameter properties mean what the TypeScript compiler makes of them."""
    source, expression, expected = PIECES[piece]
    flow = f'{source}\nexport async function main() {{ "use workflow"; return {expression} }}'

    assert author.run({"flow.ts": flow}).begin().value == expected


def test_places_in_errors_are_the_author_s(author: Author) -> None:
    """A stack tells line and column of the source, behind types that were left out on the same line too."""
    source = """interface A {
  a: string;
}

export async function main(order: A = { a: "" }): Promise<never> {
  "use workflow";
  const n: number = 1; throw new TypeError("no");
}
"""
    error = author.run({"flow.ts": source}).begin().failure

    column = source.split("\n")[6].index("TypeError") + 1
    assert f"./flow.ts:7:{column}" in str(error.stack), error.stack


def test_decorators_of_javascript_are_refused(author: Author) -> None:
    """Also where nothing is stripped they are told with file and line before anything runs."""
    source = 'class A {\n  @logged m() {}\n}\nexport async function main() { "use workflow" }'

    with pytest.raises(ConfigurationError, match=r"^\./flow\.js:2: decorators "):
        author.program({"flow.js": source})
