"""Types go; lines, and columns wherever nothing is written out, stay."""

from __future__ import annotations

import re

import pytest

from torpor.errors import ConfigurationError
from torpor.programs.javascript.typescript import strip_types

ERASED = [
    # what variables, parameters and functions say
    ("const a: number = 1", "const a = 1"),
    ("let a!: string, b: [x: A, y?: B] = z", "let a , b = z"),
    ("let { a }: X = w, [b]: Y[] = v", "let { a } = w, [b] = v"),
    ("function f<T extends A = B>(a?: T, ...r: T[]): r is X[] {}", "function f (a , ...r ) {}"),
    ("function f(this: Window, a: string) {}", "function f( a ) {}"),
    ("function f(this: Window) {}", "function f( ) {}"),
    ("function f(a: any): asserts a is string {}", "function f(a ) {}"),
    ("function f(a: string): void; function f(a: any) {}", "function f(a ) {}"),
    ("export function f(a: string): void; export function f(a: any) {}", "export function f(a ) {}"),
    ("const f = (a: A, b?: B): C => a", "const f = (a , b ) => a"),
    ("const f = <T,>(a: T) => a", "const f = (a ) => a"),
    ("const f = async <const T extends A>(a: T): Promise<T> => a", "const f = async (a ) => a"),
    ("async function* g<T>(): AsyncGenerator<T> { yield <T>a }", "async function* g () { yield a }"),
    ("try {} catch (e: unknown) {}", "try {} catch (e ) {}"),
    ("for (const a of b as C[]) {}", "for (const a of b ) {}"),
    (
        "const o = { m<T>(a: T): T { return a }, get p(): string { return x } }",
        "const o = { m (a ) { return a }, get p() { return x } }",
    ),
    # expressions
    ("a as B as unknown as C", "a"),
    ("a satisfies B", "a"),
    ("const a = { b: 1 } as const", "const a = { b: 1 }"),
    ("a!.b!.c![0]!()", "a .b .c [0] ()"),
    ("a?.b!.c?.[0]!.d", "a?.b .c?.[0] .d"),
    ("a! += 1; b!++", "a += 1; b ++"),
    ("f<A>(b); new F<A, B>(c); const g = h<string>", "f (b); new F (c); const g = h"),
    ("sql<Array<A>>`select ${b}`; c < d > `e`", "sql `select ${b}`; c < d > `e`"),
    ("<A>b; f(<any>{ c: 1 }); () => <A>{ d }", "b; f(( { c: 1 })); () => ( { d })"),
    ("a as b.c.d.E<F>[]; g as b.c.D | null", "a ; g"),
    ("(a + b as number) * c; a + b as number * c", "(a + b ) * c; (a + b) * c"),
    ("const k: `${A}-${B}` = c; type L<T> = T extends `${infer U}.${string}` ? U : never", "const k = c;"),
    ("a<b, c>(d); a < b || c > (d)", "a (d); a < b || c > (d)"),
    # statements that are types alone
    ("interface A<in out T> extends B { a: 1; [k: string]: 2 }", ""),
    ("type A = { a: string\n  [k: string]: any }", ""),
    ("declare const a: string; declare function f(): void; declare class C {}", ""),
    ("declare module 'x' { export const a: 1 }", ""),
    ("declare global { interface Window { a: 1 } }", ""),
    ("declare namespace N { const a: 1 }", ""),
    ("namespace N { export type A = 1; export interface B {} }", ""),
    ("export default interface A { a: 1 }", ""),
    ("interface A { (a: B): C\n  <T>(a: T): C\n  new <T>(a: T): C }", ""),
    # classes
    ("abstract class A<T> extends B<T> implements C, D {}", "class A extends B {}"),
    ("export default abstract class A {}", "export default class A {}"),
    (
        "class A { declare a: 1; abstract b: 2; abstract m(): void; [k: string]: any; o(): string; }",
        "class A { ; ; ; ; ; }",
    ),
    (
        "class A { private static readonly a?: B = 1; b!: C; readonly #d: E = 2; protected override f?(): void {} }",
        "class A { static a = 1; b ; #d = 2; f () {} }",
    ),
    (
        "class A { private get a(): B { return 1 } set a(b: B) {} static async *c<T>() {} accessor d: E = 1 }",
        "class A { get a() { return 1 } set a(b ) {} static async *c () {} accessor d = 1 }",
    ),
    ("class A { constructor(a: string); constructor(a: any) {} }", "class A { ; constructor(a ) {} }"),
    # what modules take and give
    ("import type A from 'a'; import type { B } from 'b'; import type * as C from 'c'", ""),
    ("import { type A, b } from 'x'; b()", "import { b } from 'x'; b()"),
    ("import A, { type B, C } from 'x'; let a: A = C", "import { C } from 'x'; let a = C"),
    ("import A, { type B } from 'x'; A()", "import A, { } from 'x'; A()"),
    ("import A, * as B from 'x'; A()", "import A from 'x'; A()"),
    ("import { A } from 'x'; const a: A = b as typeof A", "const a = b"),
    ("import { unused } from 'x'; import 'y'", "import 'y'"),
    ("import { a } from 'x'; export { a }", "import { a } from 'x'; export { a }"),
    ("import { a } from 'x'; const o = { a }", "import { a } from 'x'; const o = { a }"),
    ("import type from 'x'; type()", "import type from 'x'; type()"),
    (
        "interface A {} const b = 1; export { A, b }; export { type C, d } from 'x'",
        "const b = 1; export { b }; export { d } from 'x'",
    ),
    ("type A = 1; const A = 2; export { A }", "const A = 2; export { A }"),
    ("interface A {} export default A", ""),
    ("export type { A }; export type { B } from 'x'; export type * from 'y'; export type * as z from 'z'", ""),
    ("export type A = 1; export interface B {} export declare const c: 1; export as namespace D;", ""),
    ("import A = B.C; export const d: A = 1", "export const d = 1"),
]

STATEMENTS_END = [
    ("a\ninterface B {}\n(c)", "a ; (c)"),
    ("a\ntype B = 1;\n`c`", "a ; `c`"),
    ("a\ndeclare let b: 1;\n[c]", "a ; [c]"),
    ("let a = 1 as number\nlet b", "let a = 1 let b"),
    ("class A { a = 1\n public ['b'] = 2 }", "class A { a = 1 ; ['b'] = 2 }"),
    ("class A { a = {}\n public ['b'] = 2 }", "class A { a = {} ; ['b'] = 2 }"),
    ("class A { a = 1\n private *b() {} }", "class A { a = 1 ; *b() {} }"),
    ("class A { get: string\n b() {} }", "class A { get; b() {} }"),
    ("class A { static: B\n c() {} }", "class A { static; c() {} }"),
    ("class A { a: B\n declare c: D;\n *e() {} }", "class A { a ; *e() {} }"),
    ("const f = (a: A): {\n b: C\n} => a", "const f = (a ) => a"),
    ("const f = async <\n T\n>(a: T) => a", "const f = async ( a ) => a"),
    ("const f = (a: A):\n  Größé => a", "const f = (a ) => a"),
    ("(a + b\n as number) + (a + b\n as C * d)", "(a + b ) + ((a + b ) * d)"),
    ("function f() { return <T>\n (a: T) => a }", "function f() { return ( a ) => a }"),
    ("function f() { return <\n A\n>b }", "function f() { return ( b) }"),
]


def squeezed(text: str) -> str:
    """Return a text with one space for any white space."""
    return " ".join(text.split())


def assert_in_place(source: str, stripped: str) -> None:
    """Check that what stayed is where it was, but for parentheses that were added."""
    assert stripped.count("\n") == source.count("\n")
    for written, evaluated in zip(source.split("\n"), stripped.split("\n"), strict=True):
        if len(written) == len(evaluated):
            assert all(a == b or b in " ;()" for a, b in zip(written, evaluated, strict=True))
        else:
            assert (
                re.sub(r"[\s()]", "", evaluated) in re.sub(r"[\s()]", "", written)
                or "<" in written
                or " as " in written
            )


@pytest.mark.parametrize(("source", "expected"), ERASED)
def test_what_types_say_is_left_out(source: str, expected: str) -> None:
    """Each piece of TypeScript that has no meaning at run time becomes spaces."""
    stripped = strip_types("./a.ts", source)

    assert squeezed(stripped) == expected
    assert_in_place(source, stripped)


@pytest.mark.parametrize(("source", "expected"), STATEMENTS_END)
def test_statements_end_where_they_ended(source: str, expected: str) -> None:
    """What ended a statement, or kept two tokens on one line, is replaced where the meaning needs it."""
    stripped = strip_types("./a.ts", source)

    assert squeezed(stripped) == expected
    assert_in_place(source, stripped)


def test_a_type_may_be_as_long_as_it_likes() -> None:
    """Unions nest as deep as they are long."""
    source = "const a = b as " + " | ".join(f"'{n}'" for n in range(5000))

    assert strip_types("./a.ts", source).strip() == "const a = b"


def test_columns_of_what_is_not_latin_stay() -> None:
    """A character that is left out leaves one space, whatever it is; line ends stay as they are."""
    source = "const a: Größe<'日本'> = 1; b()\r\n\tc"
    stripped = strip_types("./a.ts", source)

    assert stripped.split() == ["const", "a", "=", "1;", "b()", "c"]
    assert [stripped.index(part) for part in ("=", "b()", "\r\n\tc")] == [21, 26, 29]
    assert source.index("=") == 21


def test_what_is_written_out_keeps_its_lines() -> None:
    """Enums, namespaces and properties that are parameters make their lines longer, and move none."""
    source = """enum A { B,
  C = 'x' }
namespace N {
  export const d = 1
}
class E {
  constructor(private f: G) {
    h() } }
"""
    assert strip_types("./a.ts", source).split("\n") == [
        'var A; (function (A) { A[A["B"] = 0] = "B";',
        """  A["C"] = 'x'; })(A || (A = {}));""",
        "var N; (function (_N) {",
        "  const d = 1; _N.d = d;",
        "})(N || (N = {}));",
        "class E { f;",
        "  constructor(        f   ) { this.f = f;",
        "    h() } }",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("const a = 1;\nconst b: = 2;\n", r"^\./a\.ts:2: TypeScript syntax error: "),
        ("let a = 1;\nlet b = 2;\nfoo(", r"^\./a\.ts:3: TypeScript syntax error: "),
        ("let a;\nimport x = require('y')", r"^\./a\.ts:2: .*import … from"),
        ("\nexport = 5", r"^\./a\.ts:2: .*export default"),
        ("class A {\n  @dec m() {} }", r"^\./a\.ts:2: decorators .*call the function"),
        ("\n@dec class A {}", r"^\./a\.ts:2: decorators "),
        ("class A {\n  m(@dec a: B) {} }", r"^\./a\.ts:2: decorators "),
        ("let a = b as any\n(c)", r"^\./a\.ts:2: write a semicolon at the end of the line before"),
        ("let a = b as C\n[0]", r"^\./a\.ts:2: write a semicolon at the end of the line before"),
        ("enum A { B = 'x',\n C }", r"^\./a\.ts:2: C follows a text, so it needs a value of its own"),
        ("class A extends B {\n constructor(private c: D) { if (c) { super() } } }", r"^\./a\.ts:2: .*calls super"),
    ],
)
def test_what_cannot_be_done_names_file_and_line(text: str, message: str) -> None:
    """A refusal says where, and what to do instead."""
    with pytest.raises(ConfigurationError, match=message):
        strip_types("./a.ts", text)
