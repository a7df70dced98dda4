"""From files to a program."""

from pathlib import Path

import msgspec
import pytest

from torpor.errors import ConfigurationError
from torpor.programs.javascript.builder import build_program
from torpor.vm.guest import Program

SIGNATURES = {
    f"step//./{file}.py//{name}": f"({name}ed)"
    for file in ("orders", "s", "src/lib/orders")
    for name in ("charge", "ship")
}
WORKFLOW = 'export async function checkout() { "use workflow" }\n'


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below *root*."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def build(root: Path, files: dict[str, str], *given: str, steps: tuple[str, ...] = ("charge", "ship")) -> Program:
    """Write *files* and build the program of those *given* (of the first one when none is)."""
    write(root, files)
    chosen = [Path(name) for name in given or [next(iter(files))]]
    return build_program(
        root, chosen, steps_of=lambda _: steps, signature_of=lambda name: SIGNATURES.get(name, "()"), build="build"
    )


def refusal(root: Path, files: dict[str, str], *given: str) -> str:
    """Return why a program cannot be built."""
    with pytest.raises(ConfigurationError) as caught:
        build(root, files, *given)
    return str(caught.value)


def test_javascript_is_evaluated_as_it_was_written(tmp_path: Path) -> None:
    """A module whose imports are exact keeps every character."""
    text = f'import {{ sleep }} from "workflow";\nimport {{ x }} from "./lib/x.js";\n{WORKFLOW}'
    program = build(tmp_path, {"flows/a.js": text, "flows/lib/x.js": "export const x = 1;\n"})

    assert program.files == {"./flows/a.js": text, "./flows/lib/x.js": "export const x = 1;\n"}
    assert program.entries == ["./flows/a.js"]
    assert program.workflows == {"workflow//./flows/a.js//checkout": ("./flows/a.js", "checkout")}
    assert (program.guest, program.build) == ("quickjs", "build")


@pytest.mark.parametrize(
    ("specifier", "file"),
    [
        ("./x", "flows/x.js"),
        ("./x", "flows/x.ts"),
        ("./x", "flows/x.mjs"),
        ("./x.js", "flows/x.ts"),
        ("./x.mjs", "flows/x.mts"),
        ("./x", "flows/x/index.ts"),
        ("../x", "x.js"),
        ("..", "index.js"),
        ("./x.v1", "flows/x.v1.js"),
        ("./x", "flows/x.json"),
    ],
)
def test_import_finds_the_file_that_is_meant(tmp_path: Path, specifier: str, file: str) -> None:
    """Extensions may be left out, be the compiled one's, and folders have an index."""
    text = "{}" if file.endswith(".json") else "export default 1;"
    program = build(tmp_path, {"flows/a.js": f'import x from "{specifier}";\n{WORKFLOW}', file: text})

    assert set(program.files) == {"./flows/a.js", f"./{file}"}


def test_specifiers_lead_by_a_plain_path_join(tmp_path: Path) -> None:
    """The guest's loader joins paths and guesses nothing, so specifiers become exact; no line moves."""
    text = "import { x } from '../lib';\nexport * from '../lib'; await import(`../lib`);\n" + WORKFLOW
    program = build(tmp_path, {"flows/a.js": text, "lib/index.ts": "export const x: number = 1;"})

    assert program.files["./flows/a.js"] == (
        'import { x } from "../lib/index.ts";\n'
        'export * from "../lib/index.ts"; await import("../lib/index.ts");\n' + WORKFLOW
    )


def test_python_file_becomes_proxies(tmp_path: Path) -> None:
    """Importing a Python file yields a module made of the names of its steps."""
    text = 'import { charge } from "./orders.py";\n' + WORKFLOW
    program = build(tmp_path, {"a.js": text, "orders.py": ""})

    assert program.files["./orders.py"] == (
        'import { stepsOf } from "torpor:steps";\n'
        'const [step0, step1] = stepsOf("./orders.py", ["charge", "ship"]);\n'
        'export { step0 as "charge", step1 as "ship" };\n'
    )


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('import { ship as send } from "./s.py";', {"ship"}),
        ('export { charge } from "./s.py";', {"charge"}),
        ('import * as all from "./s.py";', {"charge", "ship"}),
        ('export * from "./s.py";', {"charge", "ship"}),
        ('await import("./s.py");', {"charge", "ship"}),
        ('import { x } from "./x.js";', {"ship"}),
        ('import "./unreached.js";', set()),
    ],
)
def test_a_program_says_what_it_takes_its_steps_for(tmp_path: Path, line: str, names: set[str]) -> None:
    """Of each step that a file in it imports it has the full name and the parameters."""
    files = {
        "flow.js": f"{line}\n{WORKFLOW}",
        "x.js": 'import { ship } from "./s.py"; export const x = ship;',
        "unreached.js": "",
        "other.js": 'import "./s.py";',
        "s.py": "",
    }
    program = build(tmp_path, files, "flow.js", "other.js")

    assert program.steps == {f"step//./s.py//{name}": f"({name}ed)" for name in names}


def test_steps_are_asked_for_by_absolute_path(tmp_path: Path) -> None:
    """The caller learns which file is meant."""
    write(tmp_path, {"flows/a.js": 'import { pay } from "../steps/pay.py";\n' + WORKFLOW, "steps/pay.py": ""})
    asked: list[Path] = []

    def steps_of(path: Path) -> list[str]:
        asked.append(path)
        return ["pay"]

    build_program(tmp_path, [tmp_path / "flows/a.js"], steps_of=steps_of, signature_of=str, build="")

    assert asked == [tmp_path / "steps/pay.py"]


def test_methods_are_exported_by_their_class(tmp_path: Path) -> None:
    """Whatever their names are, they stand in the module as text."""
    text = 'import { Shop, charge } from "./s.py";\n' + WORKFLOW
    steps = ("charge", "Shop.open", "Shop.Till.count", "Shop.__proto__")
    program = build(tmp_path, {"a.js": text, "s.py": ""}, steps=steps)

    assert program.files["./s.py"] == (
        'import { classOf, stepsOf } from "torpor:steps";\n'
        "const [step0, step1, step2, step3] = "
        'stepsOf("./s.py", ["Shop.Till.count", "Shop.__proto__", "Shop.open", "charge"]);\n'
        'const class0 = classOf("./s.py", "Shop", { ["__proto__"]: step1, ["open"]: step2, '
        '["Till"]: classOf("./s.py", "Shop.Till", { ["count"]: step0 }) });\n'
        'export { class0 as "Shop", step3 as "charge" };\n'
    )
    assert (program.steps or {}).keys() == {f"step//./s.py//{name}" for name in steps}


def test_a_class_brings_its_own_steps_only(tmp_path: Path) -> None:
    """A run may call what its program imports."""
    text = 'import { Shop } from "./s.py";\n' + WORKFLOW
    program = build(tmp_path, {"a.js": text, "s.py": ""}, steps=("charge", "Shop.open", "Branch.open"))

    assert (program.steps or {}).keys() == {"step//./s.py//Shop.open"}


def test_step_names_never_become_code(tmp_path: Path) -> None:
    """A name of the author's own is a text, whatever is in it."""
    name = 'x"; evil(); "'
    program = build(tmp_path, {"a.js": 'import "./s.py";\n' + WORKFLOW, "s.py": ""}, steps=(name,))

    assert program.files["./s.py"].endswith('export { step0 as "x\\"; evil(); \\"" };\n')


def test_a_step_and_a_class_of_one_name_are_refused(tmp_path: Path) -> None:
    """An import could mean both."""
    with pytest.raises(ConfigurationError, match=r"s\.py: 'pay' is the name of a step and of .* 'pay\.all'; .*name=…"):
        build(tmp_path, {"a.js": 'import "./s.py";\n' + WORKFLOW, "s.py": ""}, steps=("pay", "pay.all"))


def test_file_without_steps_names_who_imports_it(tmp_path: Path) -> None:
    """What is wrong with a Python file is told together with the import that needs it."""

    def steps_of(path: Path) -> list[str]:
        raise ConfigurationError(f"{path.name} defines no step")

    write(tmp_path, {"a.js": '\nimport { pay } from "./s.py";\n' + WORKFLOW, "s.py": ""})
    with pytest.raises(ConfigurationError) as caught:
        build_program(tmp_path, [Path("a.js")], steps_of=steps_of, signature_of=str, build="")

    assert str(caught.value) == "./a.js:2: cannot import './s.py': s.py defines no step"


def test_typescript_is_stripped_in_its_place(tmp_path: Path) -> None:
    """A TypeScript module is evaluated without types, on the author's lines; its workflows are found."""
    text = 'interface A {\n  a: string;\n}\nexport async function checkout(a: A) {\n  "use workflow";\n}\n'
    program = build(tmp_path, {"a.ts": text})

    assert program.files["./a.ts"].split("\n")[3:5] == ["export async function checkout(a   ) {", '  "use workflow";']
    assert program.workflows == {"workflow//./a.ts//checkout": ("./a.ts", "checkout")}


@pytest.mark.parametrize("before", ["", "#!/usr/bin/env node\n", "// first\n'use workflow'", "'use workflow';"])
def test_a_module_that_asks_for_its_address_gets_it(tmp_path: Path, before: str) -> None:
    """Before all other code, on the line where that begins, and behind directives, which must come first."""
    text = before + "\nexport async function checkout() { return import.meta.url }\n"
    program = build(tmp_path, {"flows/a.js": text, "b.js": 'import "./flows/a.js";' + WORKFLOW}, "b.js")

    given = ';import.meta.url = "file:///flows/a.js";'
    assert program.files["./flows/a.js"] == text.replace(before, before + given, 1)


def test_json_is_a_module(tmp_path: Path) -> None:
    """A JSON file's default export is its value; its text is data inside a string."""
    program = build(tmp_path, {"a.js": 'import c from "./c.json";\n' + WORKFLOW, "c.json": '{"k": "\u2028`${x}"}'})

    assert program.files["./c.json"] == 'export default JSON.parse("{\\"k\\": \\"\\u2028`${x}\\"}");\n'


def test_workflows_of_imported_modules_are_entries(tmp_path: Path) -> None:
    """A module with workflows is an entry wherever it was found, imported ones first; helpers are not."""
    files = {"main.js": 'import "./b.js"; import "./helper.js";\n' + WORKFLOW, "b.js": WORKFLOW, "helper.js": ""}
    program = build(tmp_path, files)

    assert program.entries == ["./b.js", "./main.js"]


def test_modules_with_stored_classes_are_entries(tmp_path: Path) -> None:
    """A module that names the symbol of custom serialization is loaded by name, so that its classes are known."""
    files = {
        "main.js": 'import "./point.js"; import "./other.js";\n' + WORKFLOW,
        "point.js": 'export class Point { static [Symbol.for("workflow-serialize")]() {} }',
        "other.js": "// workflow-serialize",
    }
    assert build(tmp_path, files).entries == ["./point.js", "./main.js"]


def test_files_that_nothing_needs_change_nothing(tmp_path: Path) -> None:
    """A given file without workflows that nothing imports stays out, and so leaves the program's address alone."""
    before = build(tmp_path, {"a.js": WORKFLOW})
    after = build(tmp_path, {"a.js": WORKFLOW, "notes.js": "export const note = 1;"}, "notes.js", "a.js")

    assert msgspec.json.encode(before, order="sorted") == msgspec.json.encode(after, order="sorted")


def test_cyclic_imports_are_followed_once(tmp_path: Path) -> None:
    """Modules may import one another."""
    files = {
        "a.js": 'import { b } from "./b.js"; export const a = 1;\n' + WORKFLOW,
        "b.js": 'import { a } from "./a.js"; export const b = 1; export * from "./a.js";',
    }
    assert set(build(tmp_path, files).files) == {"./a.js", "./b.js"}


def test_source_maps_are_removed(tmp_path: Path) -> None:
    """A source map is not part of what is evaluated."""
    program = build(tmp_path, {"a.js": WORKFLOW + "//# sourceMappingURL=data:application/json;base64,e30="})

    assert program.files["./a.js"] == WORKFLOW


def test_byte_order_mark_is_removed(tmp_path: Path) -> None:
    """Editors that write a mark do no harm."""
    assert build(tmp_path, {"a.js": "\ufeff" + WORKFLOW}).files["./a.js"] == WORKFLOW


@pytest.mark.parametrize(
    ("specifier", "reason"),
    [
        ("lodash", "packages are not installed in the guest"),
        ("@scope/thing/sub", "packages are not installed in the guest"),
        ("node:fs", "Node's own modules do not exist"),
        ("fs/promises", "Node's own modules do not exist"),
        ("workflow/api", "workflow code imports from 'workflow' alone"),
        ("torpor:run", "reserved"),
        ("/etc/x.js", "write a path relative to the file"),
        ("https://example.com/x.js", "write a path relative to the file"),
        ("./missing.js", "there is no file"),
        ("../outside.js", "it leads out of the project root"),
        ("./page.tsx", "JSX is not part of JavaScript"),
        ("./page", "JSX is not part of JavaScript"),
        ("./old.cjs", "write it with import and export"),
        ("./picture.png", "may import .json and .py"),
    ],
)
def test_import_that_cannot_be_names_file_line_and_way_out(tmp_path: Path, specifier: str, reason: str) -> None:
    """An import that the guest cannot serve is refused when the program is built."""
    message = refusal(
        tmp_path,
        {"a.js": f'\nimport x from "{specifier}";\n{WORKFLOW}', "page.tsx": "", "old.cjs": "", "picture.png": ""},
    )

    assert message.startswith("./a.js:2: ")
    assert specifier in message
    assert reason in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('import { charg } from "./s.py"', "./s.py has no step 'charg' (steps: charge, ship)"),
        ('import s from "./s.py"', "./s.py has no step 'default'"),
        ('export { charg } from "./s.py"', "./s.py has no step 'charg'"),
        ('import { nope } from "./b.js"', "'./b.js' does not export 'nope' (exports: b, c)"),
        ('import { fetch } from "workflow"', "'workflow' does not export 'fetch'"),
        ('import { a } from "./c.json"', "'./c.json' does not export 'a'"),
    ],
)
def test_name_that_is_not_exported_is_told(tmp_path: Path, text: str, reason: str) -> None:
    """An import of a name that does not exist is refused with what there is."""
    files = {
        "a.js": f"\n\n{text};\n{WORKFLOW}",
        "b.js": 'export const b = 1; export * from "./d.js";',
        "d.js": "export const c = 1; export default 2;",
        "c.json": "{}",
        "s.py": "",
    }
    message = refusal(tmp_path, files)

    assert message.startswith("./a.js:3: ")
    assert reason in message


def test_error_in_typescript_names_the_author_line(tmp_path: Path) -> None:
    """Types above an import do not shift the line in the message."""
    text = 'interface A {\n  a: string;\n}\nimport { x } from "./gone.js";\nexport const y = x;\n'

    assert refusal(tmp_path, {"a.ts": text}).startswith("./a.ts:4: ")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.js": "export const a = 1;"}, "no workflow in ./a.js"),
        ({"a.js": '\nasync function f() { "use workflow" }'}, "./a.js:2: function f has"),
        ({"a.txt": ""}, "./a.txt is not a script"),
        ({"a.tsx": ""}, "./a.tsx is not a script: JSX is not part of JavaScript"),
        ({"a.js": 'import "./c.json";\n' + WORKFLOW, "c.json": "{"}, "./c.json is not valid JSON"),
    ],
)
def test_what_cannot_be_a_program_is_told(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """The message says which file and why."""
    assert refusal(tmp_path, files).startswith(message)


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A given file that does not exist is named."""
    assert refusal(tmp_path, {}, "gone.js") == "cannot read ./gone.js: No such file or directory"


def test_file_outside_the_root_is_told(tmp_path: Path) -> None:
    """Module names are relative to the root, so that a program does not depend on where it lies."""
    root = tmp_path / "project"
    root.mkdir()

    assert "outside the project root" in refusal(root, {"../x.js": WORKFLOW})


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    """A file that is not UTF-8 is named."""
    (tmp_path / "a.js").write_bytes(b"// \xff\n")

    assert refusal(tmp_path, {}, "a.js").startswith("./a.js is not UTF-8")


TSCONFIG = """{
  // Comments and trailing commas are allowed here.
  "compilerOptions": {
    "baseUrl": "./src", /* like this */
    "paths": { "@lib/*": ["lib/*", "more/*"], "@lib/special": ["special.ts"], "config": ["config.json"], },
  },
}
"""


@pytest.mark.parametrize(
    ("specifier", "file"),
    [
        ("@lib/x", "src/lib/x.ts"),
        ("@lib/y.js", "src/more/y.ts"),
        ("@lib/special", "src/special.ts"),
        ("config", "src/config.json"),
        ("@lib/orders.py", "src/lib/orders.py"),
    ],
)
def test_typescript_aliases_are_followed(tmp_path: Path, specifier: str, file: str) -> None:
    """Aliases of tsconfig.json lead to files, the longest pattern first; the program has plain paths."""
    text = "{}" if file.endswith(".json") else "export const x = 1;"
    program = build(
        tmp_path, {"flows/a.js": f'import "{specifier}";\n{WORKFLOW}', file: text, "tsconfig.json": TSCONFIG}
    )

    assert set(program.files) == {"./flows/a.js", f"./{file}"}
    assert program.files["./flows/a.js"].startswith(f'import "../{file}";')


@pytest.mark.parametrize(
    ("specifier", "reason"),
    [("@lib/gone", "src/lib/gone or "), ("@other/x", "packages are not installed"), ("@out/x", "leads out")],
)
def test_alias_that_leads_nowhere_is_told(tmp_path: Path, specifier: str, reason: str) -> None:
    """The message names what the alias stands for."""
    config = TSCONFIG.replace('"config"', '"@out/*": ["../../*"], "config"')
    message = refusal(tmp_path, {"a.js": f'import "{specifier}";\n{WORKFLOW}', "tsconfig.json": config})

    assert message.startswith(f"./a.js:1: cannot import {specifier!r}: ")
    assert reason in message


@pytest.mark.parametrize("text", ["{", '{ "compilerOptions": f() }', ""])
def test_damaged_tsconfig_is_told(tmp_path: Path, text: str) -> None:
    """A configuration that cannot be read is named."""
    assert refusal(tmp_path, {"a.js": WORKFLOW, "tsconfig.json": text}).startswith("tsconfig.json")
