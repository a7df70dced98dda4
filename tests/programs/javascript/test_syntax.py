"""What the program builder reads from a module's text."""

import pytest

from torpor.programs.javascript.syntax import ModuleSyntax, read_module
from torpor.signatures import bind

BODY = '{ "use workflow"; return 1 }'


def misuse(text: str) -> str:
    """Return the only complaint about *text*, with its line in front."""
    (found,) = read_module(text).misuses
    return f"{found.line}: {found.message}"


@pytest.mark.parametrize(
    ("text", "exports"),
    [
        (f"export async function f() {BODY}", ["f"]),
        (f"export const f = async () => {BODY};", ["f"]),
        (f"export const f = async function () {BODY}, g = 1;", ["f"]),
        (f"export default async function () {BODY}", ["default"]),
        (f"export default async () => {BODY}", ["default"]),
        (f"async function f() {BODY}\nexport default f;", ["default"]),
        (f"async function f() {BODY}\nexport {{ f as g }};", ["g"]),
        (f"export {{ f, f as g }};\nconst f = async () => {BODY};", ["f", "g"]),
        ('"use strict"; "use workflow"; export async function f() {} export const g = async () => {}', ["f", "g"]),
        ('// a comment first\n"use workflow"\nexport async function f() {}', ["f"]),
        ('export async function f() { /* why */ "use strict"; "use workflow"; }', ["f"]),
        (f"export function f() {BODY}", ["f"]),
    ],
)
def test_every_form_of_export_is_a_workflow(text: str, exports: list[str]) -> None:
    """A function with the directive is a workflow under each name that it is exported by."""
    assert list(read_module(text).workflows) == exports


@pytest.mark.parametrize(
    "text",
    [
        'export const f = `async () => { "use workflow" }`;',
        '// export async function f() { "use workflow" }',
        'export async function f() { return "use workflow" }',
        'export async function f() { g(); "use workflow" }',
        'export async function f() { "use workflow" + "" }',
        'export const f = /{ "use workflow" }/;',
        'const f = 1; export { f }; "use workflow";',
    ],
)
def test_text_that_only_looks_like_a_directive_is_none(text: str) -> None:
    """Strings, comments, templates, patterns and later statements do not make a workflow."""
    assert read_module(text).workflows == {}


def test_module_directive_leaves_values_alone() -> None:
    """Only functions among the exports of a marked module are workflows."""
    text = '"use workflow";\nexport const limit = 3;\nexport class Order {}\nexport async function f() {}'

    assert read_module(text).workflows == {"f": "(*args, **kwargs)"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"\nasync function f() {BODY}", "2: function f has"),
        (f"export function outer() {{\n  async function f() {BODY}\n}}", "2: function f has"),
        (f"export class A {{ async f() {BODY} }}", "1: function f has"),
        (f"\n\nexport async function* f() {BODY}", "3: function f has"),
        (f"call(async () => {BODY})", "1: a function has"),
        ('export async function f() { "use step" }', '1: "use step" functions'),
        ('"use step"; export async function f() {}', '1: "use step" functions'),
    ],
)
def test_misplaced_directive_is_told(text: str, complaint: str) -> None:
    """A directive that cannot work is reported with its line instead of being ignored."""
    assert misuse(text).startswith(complaint)


def specifiers(module: ModuleSyntax) -> list[tuple[str, int, tuple[str, ...], bool]]:
    """Return what an import says, without its byte range."""
    return [(found.specifier, found.line, found.names, found.everything) for found in module.imports]


def test_imports_of_every_kind_are_found() -> None:
    """Static, re-exporting and literal dynamic imports are found with their lines and names."""
    text = """import "./side.js";
import one, { two as three, "four five" as six } from './a.js';
import * as all from "./b.js";
export { seven as eight } from "./c.js";
export * from "./d.js";
export * as nine from "./e.js";
const f = async () => [await import("./f.js"), import(`./g.js`), import(name), import(`./${name}.js`)];
"""
    assert specifiers(read_module(text)) == [
        ("./side.js", 1, (), False),
        ("./a.js", 2, ("default", "two", "four five"), False),
        ("./b.js", 3, (), False),
        ("./c.js", 4, ("seven",), False),
        ("./d.js", 5, (), True),
        ("./e.js", 6, (), False),
        ("./f.js", 7, (), False),
        ("./g.js", 7, (), False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "// import x from './x.js'",
        "const s = \"import x from './x.js'\";",
        "const t = `\nimport x from './x.js'\n`;",
        "const r = /import x from '.\\/x.js'/;",
        "const o = { import: f, from: './x.js' };",
    ],
)
def test_text_that_only_looks_like_an_import_is_none(text: str) -> None:
    """Comments, strings, templates and patterns import nothing."""
    assert read_module(text).imports == ()


def test_exports_are_known_by_name() -> None:
    """Declarations, destructuring, classes, clauses and namespaces all export."""
    text = """export const a = 1, { b, c: [d] } = x;
export class E {}
export function f() {}
export { g as h } from "./g.js";
export * as i from "./i.js";
const j = 1;
export { j as "k l" };
export default 5;
"""
    assert read_module(text).exports == {"a", "b", "d", "E", "f", "h", "i", "k l", "default"}


def test_byte_ranges_survive_wide_characters() -> None:
    """The range of a specifier is in bytes, also behind text that is not ASCII."""
    text = 'const ä = "→"; import "./x.js";'
    (found,) = read_module(text).imports

    assert text.encode()[found.start : found.end] == b'"./x.js"'


def test_source_map_comments_are_found_but_not_texts_like_them() -> None:
    """Only a comment is a source map reference."""
    text = 'const s = "//# sourceMappingURL=a.map";\n//# sourceMappingURL=b.map\n'
    ((start, end),) = read_module(text).source_maps

    assert text[start:end] == "//# sourceMappingURL=b.map"


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        ("async function main() {", "(*args, **kwargs)"),
        ("async function main(order, cents = 5, ...more) {", "(order=..., cents=..., /, *more, **kwargs)"),
        (
            "async function main({ order }, [a], from, $x) {",
            "(arg1=..., arg2=..., arg3=..., arg4=..., /, *args, **kwargs)",
        ),
        ("async function main(args, kwargs, arg3, { a }) {", None),
        ("const main = async (order) => {", "(order=..., /, *args, **kwargs)"),
        ("const main = async order => {", "(order=..., /, *args, **kwargs)"),
    ],
)
def test_what_a_workflow_takes(function: str, signature: str | None) -> None:
    """The names are told in the form that signatures have; every call fits, since JavaScript refuses none."""
    ((_, text),) = read_module(f'export {function} "use workflow" }}').workflows.items()

    assert signature is None or text == signature
    for args in ([], [1], [1, 2, 3, 4, 5]):
        assert bind(text, args, {"order": 1}) == (tuple(args), {"order": 1})
