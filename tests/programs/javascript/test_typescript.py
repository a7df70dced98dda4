"""Types go, lines stay known."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import quickjs_rs

from torpor.errors import ConfigurationError
from torpor.programs.javascript.typescript import strip_types

TYPED = "export const rate: number = 1;\nexport type Rate = number;\n"

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


@pytest.fixture(scope="module", autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing here comes from what an earlier session kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORPOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache directory of the test's own, which does not exist yet."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("TORPOR_CACHE", str(directory))
    return directory


@pytest.fixture
def transformed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by a module's name whenever the library transforms one."""
    names: list[str] = []
    transform = quickjs_rs.transform_source

    def transform_source(name: str, text: str) -> str:
        names.append(name)
        return str(transform(name, text))

    monkeypatch.setattr(quickjs_rs, "transform_source", transform_source)
    return names


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


@pytest.mark.usefixtures("cache")
def test_a_kept_module_is_not_transformed_again(transformed: list[str]) -> None:
    """What was stripped once comes from disk, the same in text and lines."""
    first = strip_types("./a.ts", PROGRAM)

    assert strip_types("./a.ts", PROGRAM) == first
    assert transformed == ["./a.ts"]


def test_a_kept_module_does_not_load_the_library(cache: Path) -> None:
    """A process that finds everything on disk never pays for loading what transforms."""
    strip_types("./a.ts", TYPED)
    script = f"""
import sys
from torpor.programs.javascript.typescript import strip_types
strip_types("./a.ts", {TYPED!r})
sys.exit("quickjs_rs" in sys.modules)
"""

    environment = os.environ | {"TORPOR_CACHE": str(cache)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, timeout=60, check=False).returncode == 0


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(("name", "text"), [("./a.ts", TYPED + "let more: 1;\n"), ("./b.ts", TYPED)])
def test_another_name_or_text_is_another_entry(transformed: list[str], name: str, text: str) -> None:
    """The key covers the module's name and what the author wrote."""
    strip_types("./a.ts", TYPED)
    strip_types(name, text)

    assert transformed == ["./a.ts", name]


@pytest.mark.usefixtures("cache")
def test_another_version_of_the_library_is_another_entry(
    transformed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade modules are stripped by what is installed now."""
    strip_types("./a.ts", TYPED)
    monkeypatch.setattr("torpor.programs.javascript.typescript.version", lambda _: "999.0")
    strip_types("./a.ts", TYPED)

    assert transformed == ["./a.ts", "./a.ts"]


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [(b"rate", b"rats"), (b"[1", b"[2"), (b"rate", b"\xff\xfe"), (b"}", b""), (b'"lines"', b'"rows"')],
)
def test_a_damaged_entry_is_made_anew(cache: Path, transformed: list[str], whole: bytes, damaged: bytes) -> None:
    """Whatever happened to an entry, the module is stripped again and the entry is whole afterwards."""
    first = strip_types("./a.ts", TYPED)
    (entry,) = cache.rglob("*.json")
    data = entry.read_bytes()
    assert whole in data
    entry.write_bytes(data.replace(whole, damaged))

    assert strip_types("./a.ts", TYPED) == first
    assert transformed == ["./a.ts", "./a.ts"]
    assert entry.read_bytes() == data


def test_an_unwritable_directory_means_stripping_each_time(cache: Path, transformed: list[str]) -> None:
    """Where nothing can be kept, everything still works."""
    cache.write_text("in the way")

    assert strip_types("./a.ts", TYPED) == strip_types("./a.ts", TYPED)
    assert transformed == ["./a.ts", "./a.ts"]


def test_what_is_refused_is_not_kept(cache: Path) -> None:
    """A syntax error leaves nothing behind, and is told every time."""
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            strip_types("./a.ts", "const b: = 2;")

    assert not cache.exists()
