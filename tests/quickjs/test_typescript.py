"""Types go, lines stay known."""

import pytest

from torpor.errors import ConfigurationError
from torpor.vm.quickjs.typescript import strip_types

PROGRAM = """\
// A comment that is kept.
import { charge, type Order } from "./orders.py";
import type { Customer } from "./types";
import { Address, zip } from "./types2";
import { Unused } from "./unused";

interface Parcel {
  weight: number;
  to: Address;
}

/* A comment
   of two lines. */
export type State =
  | "packed"
  | "sent";
export interface Sendable {
  send(): void;
}
export const states = [
  "packed", "sent"];

enum Color { Red, Green = "green",
  Blue = 1 << 2,
}
namespace Tax {
  export const rate = 1;
  export function of(amount: number): number {
    return amount * rate;
  }
}

export class Shipment<T extends Parcel> implements Sendable {
  declare label: string;
  private readonly note?: string = "none";

  constructor(
    public parcel: T,
    private state: State = "packed",
  ) {
    register(this);
  }

  describe<U>(
    this: Shipment<T>,
    extra: U,
  ): asserts extra is U {
    const text = `weighs ${
      extra as unknown as string
    } and
      goes ${zip} far
      away`;
    throw new RangeError(text!);
  }
}

export async function ship(order: Order, address: Address = zip): Promise<{
  id: string;
}> {
  "use workflow";
  const receipt = await charge(order satisfies Order);

  // Another comment.
  const lines = { first: 'a',
    rest: [1,
      2, 3] };
  if (lines.first) throw new TypeError("no" + (lines.rest as number[]).map((n: number): string => String(n)).join());
  return receipt as unknown as {
    id: string
  };
}

function price(what: string): void;
function price(what: number): void;
function price(what: any) {
  switch (what) {
    case Color.Red: return 1;
    default:
      for (const n of [1, 2]) { console.log(n) }
  }
}
declare const external: string;
const tuple: [name: string, size?: number] = ["x"];
const pattern = /as string/g, hex = 0xff, text = 'it\\'s "quoted"';
"""


def author_lines(source: str) -> dict[str, str]:
    """Return evaluated line → author's line, both stripped, for lines that say something."""
    stripped, line_map = strip_types("./a.ts", source)
    evaluated = stripped.split("\n")
    assert len(line_map) == len(evaluated)
    written = source.split("\n")
    return {
        line.strip(): written[origin - 1].strip()
        for line, origin in zip(evaluated, line_map, strict=True)
        if line.strip(" \t}]);")
    }


@pytest.fixture(scope="module")
def lines() -> dict[str, str]:
    """Evaluated lines of the program above, with the author's."""
    return author_lines(PROGRAM)


@pytest.mark.parametrize(
    ("evaluated", "written"),
    [
        ('import { charge } from "./orders.py";', 'import { charge, type Order } from "./orders.py";'),
        ('import { zip } from "./types2";', 'import { Address, zip } from "./types2";'),
        ('export const states = ["packed", "sent"];', "export const states = ["),
        ('Color["Green"] = "green";', 'enum Color { Red, Green = "green",'),
        ("return amount * rate;", "return amount * rate;"),
        ("export class Shipment {", "export class Shipment<T extends Parcel> implements Sendable {"),
        ('note = "none";', 'private readonly note?: string = "none";'),
        ('constructor(parcel, state = "packed") {', "constructor("),
        ("this.parcel = parcel;", "constructor("),
        ("register(this);", "register(this);"),
        ("describe(extra) {", "describe<U>("),
        ("const text = `weighs ${extra} and", "const text = `weighs ${"),
        ("away`;", "away`;"),
        ("throw new RangeError(text);", "throw new RangeError(text!);"),
        ('"use workflow";', '"use workflow";'),
        ("const receipt = await charge(order);", "const receipt = await charge(order satisfies Order);"),
        ("return receipt;", "return receipt as unknown as {"),
        ("function price(what) {", "function price(what: any) {"),
        ("case Color.Red: return 1;", "case Color.Red: return 1;"),
        ("console.log(n);", "for (const n of [1, 2]) { console.log(n) }"),
        ('const tuple = ["x"];', 'const tuple: [name: string, size?: number] = ["x"];'),
    ],
)
def test_line_is_known(lines: dict[str, str], evaluated: str, written: str) -> None:
    """A line of the evaluated text leads to the line that the author wrote."""
    assert lines[evaluated] == written


def test_throwing_line_after_multi_line_types_is_known(lines: dict[str, str]) -> None:
    """Casts, typed arrow functions and everything above do not shift a throw."""
    (origin,) = [written for line, written in lines.items() if line.startswith("if (lines.first)")]

    assert origin.startswith("if (lines.first) throw")


def test_line_maps_never_go_back() -> None:
    """The map grows with the evaluated text, since the transformation keeps the order of statements."""
    _, line_map = strip_types("./a.ts", PROGRAM)

    assert line_map == sorted(line_map)


def test_unused_and_type_imports_go() -> None:
    """An import that only types use would fail to link, so it is not evaluated."""
    stripped, _ = strip_types("./a.ts", PROGRAM)

    assert "./types" in stripped
    assert '"./types"' not in stripped
    assert "./unused" not in stripped
    assert "Address" not in stripped


@pytest.mark.parametrize("count", [1, 40])
def test_line_is_found_behind_much_that_expands(count: int) -> None:
    """Large enums, which print many tokens that were never written, do not lead astray."""
    members = ",\n".join(f"  M{i} = {i} + 1" for i in range(30))
    enums = "\n".join(f"enum E{i} {{\n{members}\n}}" for i in range(count))
    source = f"{enums}\nfunction last(): never {{\n  throw new Error('here');\n}}\n"

    assert author_lines(source)['throw new Error("here");'] == "throw new Error('here');"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("const a = 1;\nconst b: = 2;\n", r"^\./a\.ts:2: TypeScript syntax error: "),
        ("let a = 1;\nlet b = 2;\nfoo(", r"^\./a\.ts:3: TypeScript syntax error: "),
        ("let a;\nimport x = require('y')", r"^\./a\.ts:2: .*import … from"),
        ("\nexport = 5", r"^\./a\.ts:2: .*export default"),
    ],
)
def test_syntax_error_names_file_and_line(text: str, message: str) -> None:
    """What cannot be stripped is refused at the author's own line."""
    with pytest.raises(ConfigurationError, match=message):
        strip_types("./a.ts", text)
