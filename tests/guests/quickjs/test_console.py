"""What workflow code writes."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import BEGAN_AT, Author


def written(author: Author, statements: str) -> list[str]:
    """Return the lines that a workflow with these statements writes."""
    return author.body(statements).begin().lines


@pytest.mark.parametrize(
    ("method", "level"),
    [("log", "info"), ("info", "info"), ("warn", "warn"), ("error", "error"), ("debug", "debug"), ("trace", "debug")],
)
def test_method_gives_the_level(author: Author, method: str, level: str) -> None:
    """Each method of the console is a level of the log."""
    (line,) = author.body(f"console.{method}('hi')").begin().logs

    assert (line.n, line.at, line.level) == (1, BEGAN_AT, level)
    assert "hi" in line.text


def test_lines_are_numbered_over_turns(author: Author) -> None:
    """Numbers go on after a snapshot, so that a replay repeats no line."""
    run = author.body("console.log('a'); console.log('b'); await sleep(1); console.log('c')").begin().park()
    run.wake(1)

    assert [(line.n, line.text) for line in run.logs] == [(1, "a"), (2, "b"), (3, "c")]
    assert run.logs[2].at == run.now


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("'a', 1, 'b'", "a 1 b"),
        ("", ""),
        ("undefined, null, true, -0, 10n, NaN", "undefined null true -0 10n NaN"),
        ("['text']", '[ "text" ]'),
        ("{ a: 1, 'b-c': { d: [1, , 3] } }", '{ a: 1, "b-c": { d: [ 1, <empty>, 3 ] } }'),
        ("{}, []", "{} []"),
        ("new Map([['k', new Set([1])]])", 'Map(1) { "k" => Set(1) { 1 } }'),
        ("new Date(0), new Date(NaN)", "1970-01-01T00:00:00.000Z Invalid Date"),
        ("/a+/gi, Symbol('s')", "/a+/gi Symbol(s)"),
        ("new Uint8Array([1, 2]), new ArrayBuffer(3)", "Uint8Array(2) [ 1, 2 ] ArrayBuffer { byteLength: 3 }"),
        ("new (class Point { x = 1 })", "Point { x: 1 }"),
        ("Object.create(null)", "[Object: null prototype] {}"),
        ("{ f() {}, g: class Q {}, h: () => 1 }", "{ f: [Function: f], g: [class Q], h: [Function: h] }"),
        ("charge", "[Step: step//./orders.py//charge]"),
        ("{ get secret() { throw 1 } }", "{ secret: [Getter] }"),
        ("{ a: { b: { c: { d: 1 } } } }", "{ a: { b: { c: [Object] } } }"),
        ("new URL('https://a.example/b')", 'URL "https://a.example/b"'),
        ("new Number(5), Object('s')", '[Number: 5] [String: "s"]'),
        ("'%s is %d, %i, %j and %%', 'x', 1.5, 2.7, { a: 1 }, 'rest'", "x is 1.5, 2, { a: 1 } and % rest"),
        ("'100%', 1", "100% 1"),
        ("'%s'", "%s"),
        ("new Proxy({}, { ownKeys() { throw new Error('no') } })", "[object that cannot be shown: no]"),
    ],
)
def test_values_are_readable(author: Author, arguments: str, text: str) -> None:
    """Values are shown as an author would write them."""
    assert written(author, f"console.log({arguments})") == [text]


def test_cycles_are_shown(author: Author) -> None:
    """An object inside itself does not hang the log."""
    assert written(author, "const a = { n: 1 }; a.self = a; console.log(a)") == ["{ n: 1, self: [Circular] }"]


def test_error_is_shown_with_stack_and_cause(author: Author) -> None:
    """An error's line tells class, message, place and cause."""
    (text,) = written(author, "console.error(new RangeError('far', { cause: new TypeError('root') }))")

    assert text.startswith("RangeError: far\n    at main (./flow.js:3:")
    assert "cause: TypeError: root\n" in text


def test_long_objects_are_broken_into_lines(author: Author) -> None:
    """An object that does not fit on a line has one line for each property."""
    (text,) = written(author, "console.log({ first: 'x'.repeat(40), second: 'y'.repeat(40) })")

    assert text == '{\n  first: "' + "x" * 40 + '",\n  second: "' + "y" * 40 + '"\n}'


def test_long_lists_are_cut(author: Author) -> None:
    """A hundred items are shown, and how many there are beyond."""
    (text,) = written(author, "console.log(Array.from({ length: 150 }, (_, i) => i))")

    assert "99,\n  … 50 more\n]" in text


def test_long_lines_are_cut(author: Author) -> None:
    """A line keeps 16 Ki characters and says how many were dropped."""
    (text,) = written(author, "console.log('x'.repeat(20000))")

    assert text == "x" * 16384 + "… 3616 more characters were dropped"


def test_many_lines_are_cut(author: Author) -> None:
    """A turn keeps 1000 lines; the last says how many were dropped, and has the number of the last of them."""
    run = author.body("for (let i = 1; i <= 1500; i++) console.log(i); await sleep(1); console.log('next')").begin()

    assert len(run.logs) == 1000
    assert (run.logs[998].n, run.logs[998].text) == (999, "999")
    assert (run.logs[999].n, run.logs[999].level) == (1500, "warn")
    assert run.logs[999].text.startswith("501 log lines were dropped")
    assert run.wake(1).logs[1000].n == 1501


def test_lines_of_module_scope_belong_to_the_run(author: Author) -> None:
    """What modules write while they are loaded begins every run's log, at its beginning."""
    source = 'console.log("loaded"); export async function main() { "use workflow"; console.log("begun") }'
    run = author.run(source).begin()

    assert [(line.n, line.at, line.text) for line in run.logs] == [(1, BEGAN_AT, "loaded"), (2, BEGAN_AT, "begun")]


def test_text_that_is_no_unicode_is_mended(author: Author) -> None:
    """A lone surrogate cannot be stored and is replaced."""
    assert written(author, r"console.log('a\ud800b')") == ["a\ufffdb"]


@pytest.mark.parametrize(
    ("statements", "lines"),
    [
        ("console.assert(1 === 1); console.assert(false, 'why', 5)", ["Assertion failed: why 5"]),
        ("console.group('g'); console.log('in\\nside'); console.groupEnd(); console.log('out')",
         ["g", "  in\n  side", "out"]),
        ("console.count(); console.count('x'); console.count()", ["default: 1", "x: 1", "default: 2"]),
        ("console.table([{ a: 1, b: 'x' }, { a: 22 }])",
         ['(index) | a  | b\n--------+----+----\n0       | 1  | "x"\n1       | 22 |']),
        ("console.table([1, [2]])", ["(index) | 0 | (value)\n--------+---+--------\n0       |   | 1\n1       | 2 |"]),
        ("console.dir({ a: 1 })", ["{ a: 1 }"]),
    ],
)  # fmt: skip
def test_other_methods_of_the_console(author: Author, statements: str, lines: list[str]) -> None:
    """The usual helpers write what one expects of them."""
    assert written(author, statements) == lines


def test_timers_of_the_console_use_the_guest_clock(author: Author) -> None:
    """console.time measures the time that events moved."""
    run = author.body("console.time('t'); await sleep('1s'); console.timeEnd('t')").begin().wake(1, after_ms=999)

    assert run.lines == ["t: 1000 ms"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('new URLSearchParams({ a: 1, b: "x y" })', 'URLSearchParams { "a" => "1", "b" => "x y" }'),
        ('new Headers({ a: "1" })', 'Headers { "a" => "1" }'),
        ('new Blob(["abc"], { type: "text/plain" })', 'Blob { size: 3, type: "text/plain" }'),
        ('AbortSignal.abort("why")', 'AbortSignal { aborted: true, reason: "why" }'),
        ("new AbortController()", "AbortController { signal: AbortSignal { aborted: false, reason: undefined } }"),
        ('new Event("paid")', 'Event { type: "paid", defaultPrevented: false }'),
        (
            'new CustomEvent("paid", { detail: { cents: 5 } })',
            'CustomEvent { type: "paid", detail: { cents: 5 }, defaultPrevented: false }',
        ),
    ],
)
def test_classes_of_the_web_show_what_they_are(author: Author, value: str, text: str) -> None:
    """Their state is private, so it is asked of them."""
    assert author.body(f"console.log({value})").begin().lines == [text]
