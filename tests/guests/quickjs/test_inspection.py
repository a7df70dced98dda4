"""What the functions of a parked JavaScript run wait for and hold, as it is read from the VM's memory."""

from __future__ import annotations

import random

import pytest

from tests.guests.quickjs.conftest import Author, Run
from torpor.errors import ConfigurationError, FatalError
from torpor.guests.quickjs import QuickJS
from torpor.guests.quickjs.heap import layout, raising
from torpor.guests.quickjs.heap.reader import Heap, HeapError
from torpor.guests.quickjs.heap.tasks import tasks_of
from torpor.vm.guest import Frame, TaskStack

WORKFLOW = """
import { sleep, createHook, receive } from "workflow";
import { charge, ship } from "./orders.py";

async function* pages(count) {
  for (let page = 1; page <= count; page++) {
    await sleep(1000 * page);
    yield page;
  }
}
async function read(name) {
  let sum = 0;
  for await (const page of pages(3)) {
    sum += page;
  }
  return sum;
}
async function pay(order, cents) {
  const label = `pay ${order}`;
  return await charge(
    order,
    cents,
  );
}
async function approval(hook) { const given = await hook; return given; }
async function inbox() { return receive("box"); }
class Shop {
  #till = 7;
  async sell(what) {
    const sold = async () => { await ship(what); return this; };
    try { return await sold(); } finally { this.#till += 1; }
  }
}
export async function main(input) {
  "use workflow";
  const hook = createHook({ token: "approve" });
  const loose = pay("loose", 1);
  const all = [pay("a", 1), pay("b", 2), read("x").then((n) => n + 1), approval(hook), inbox(), new Shop().sell("tea")];
  await Promise.all([...all, Promise.race([sleep("1h"), pay("c", 3)]), Promise.allSettled([sleep(5)])]);
  return loose;
}
"""


def by_name(run: Run) -> dict[str, TaskStack]:
    """Return the tasks of a run by their names."""
    return {task.name: task for task in run.stack()}


def held(frame: Frame) -> dict[str, str]:
    """Return the variables of a frame by their names."""
    return {variable.name: variable.value for variable in frame.variables}


def frame_in(author: Author, body: str, before: str = "") -> Frame:
    """Return the frame of a workflow that runs to the only ``await`` of a body, and sleeps there."""
    main = f'export async function main(input) {{ "use workflow";\n{body}\n}}'
    source = f'import {{ sleep }} from "workflow";\n{before}\n{main}'
    (task,) = author.run(source).begin("given").stack()
    assert task.waits_for == "op 1"
    return task.frames[-1]


def test_tasks_are_chains_of_calls(author: Author) -> None:
    """Whoever awaits one call is shown above it; whoever awaits several is the parent of their tasks."""
    tasks = by_name(author.run(WORKFLOW).begin("in"))

    assert next(iter(tasks)) == "main"
    assert {name: ([frame.function for frame in task.frames], task.parent) for name, task in tasks.items()} == {
        "main": (["main"], ""),
        'pay("a", 1)': (["pay"], "main"),
        'pay("b", 2)': (["pay"], "main"),
        'pay("c", 3)': (["pay"], "main"),
        'pay("loose", 1)': (["pay"], ""),
        'read("x")': (["read", "pages"], "main"),
        "approval(…)": (["approval"], "main"),
        'sell("tea")': (["sell", "sold"], "main"),
    }


def test_it_is_told_what_each_waits_for(author: Author) -> None:
    """Steps, sleeps and hooks by the numbers of their ops, and by what the host knows of these; messages by name."""
    run = author.run(WORKFLOW).begin("in")
    asked = {op.n: op.name or op.type for op in run.ops}
    waits = {task.name: task.waits_for for task in run.stack(asked)}

    assert waits.pop("main") == (
        'all of task pay("a", 1), task pay("b", 2), task read("x"), task approval(…), a message "box", '
        'task sell("tea"), the first of wait (op 7), task pay("c", 3), all of wait (op 9)'
    )
    assert waits == {
        'pay("loose", 1)': "step//./orders.py//charge (op 2)",
        'pay("a", 1)': "step//./orders.py//charge (op 3)",
        'pay("b", 2)': "step//./orders.py//charge (op 4)",
        'read("x")': "wait (op 5)",
        'sell("tea")': "step//./orders.py//ship (op 6)",
        "approval(…)": "approve (op 1)",
        'pay("c", 3)': "step//./orders.py//charge (op 8)",
    }


def test_places_are_those_of_the_await(author: Author) -> None:
    """Line and column are where the ``await`` begins, over however many lines it goes."""
    tasks = by_name(author.run(WORKFLOW).begin("in"))
    lines = WORKFLOW.split("\n")
    places = {frame.function: frame for task in tasks.values() for frame in task.frames}

    for function, text in {
        "pay": "await charge(",
        "pages": "await sleep(1000 * page)",
        "read": "for await (const page",
        "approval": "await hook",
        "sold": "await ship(what)",
        "sell": "await sold()",
        "main": "await Promise.all(",
    }.items():
        found = places[function]
        assert lines[found.line - 1][found.column - 1 :].startswith(text)
        assert found.source == lines[found.line - 1].strip()
        assert found.file == "./flow.js"


def test_variables_are_those_of_each_call(author: Author) -> None:
    """Arguments, variables, ``this``, and what a closure has of the functions around it."""
    tasks = by_name(author.run(WORKFLOW).begin("in").complete(3, 5))

    assert 'pay("a", 1)' not in tasks
    assert held(tasks['pay("b", 2)'].frames[0]) == {"order": '"b"', "cents": "2", "label": '"pay b"'}
    assert held(tasks['read("x")'].frames[0]) == {"name": '"x"', "sum": "0"}
    assert held(tasks['read("x")'].frames[1]) == {"count": "3", "page": "1"}
    sell, sold = tasks['sell("tea")'].frames
    assert held(sell) == {"this": "Shop { #till: 7 }", "what": '"tea"', "sold": "[Function: sold]"}
    assert held(sold) == {"what": '"tea"', "this": "Shop { #till: 7 }"}
    assert held(tasks["approval(…)"].frames[0]) == {"hook": 'Hook { token: "approve" }'}
    assert list(held(tasks["main"].frames[0])) == ["input", "hook", "loose", "all"]


def test_a_run_that_goes_on_shows_where_it_went(author: Author) -> None:
    """The next page of a generator, and after a restore in another VM the same."""
    run = author.run(WORKFLOW).begin("in").wake(5, 1000)
    before = run.stack()

    assert held(by_name(run)['read("x")'].frames[0])["sum"] == "1"
    assert run.park().stack() == before
    assert run.complete(2, 1).status == "pending"


def test_a_run_that_ended_has_no_tasks(author: Author) -> None:
    """Nor has one that failed: its functions are gone."""
    assert author.body("return 1;").begin().stack() == []
    assert author.body("await charge(1);").begin().fail(1, FatalError("no")).stack() == []


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("[1, -0, 2.5, NaN, -Infinity, 1e21, 1e-7, 0.00001, 123456789012]",
         "[ 1, -0, 2.5, NaN, -Infinity, 1e+21, 1e-7, 0.00001, 123456789012 ]"),
        ("[undefined, null, true, 'it \"says\"\\n']", '[ undefined, null, true, "it \\"says\\"\\n" ]'),
        ("[5n, -(2n ** 40n), 10n ** 1000n]", "[ 5n, -1099511627776n, [BigInt of 3328 bits] ]"),
        ("'x'.repeat(1000)", f'"{"x" * 200}"… 800 more characters'),
        ("'\\ud800 \\u{1f600}\\u202e'", '"� 😀\u202e"'),
        ("Array.from({ length: 100 }, (_, i) => i)", "[ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 88 more ]"),
        ("Object.assign([1, 2], { extra: 3 })", "[ 1, 2, extra: 3 ]"),
        ("({ a: { b: { c: { d: { e: 1 } } } } })", "{ a: { b: { c: { d: [Object] } } } }"),
        ("({ 'a b': 1, [Symbol('s')]: 2, 7: 3 })", '{ "a b": 1, [Symbol(s)]: 2, 7: 3 }'),
        ("(() => { const c = { n: 1 }; c.self = [c]; return c; })()", "{ n: 1, self: [ [Circular] ] }"),
        ("new Map([['k', new Set([1, 'b'])], [{}, []]])", 'Map(2) { "k" => Set(2) { 1, "b" }, {} => [] }'),
        ("[new Date(86400000), new Date(NaN), new Date(8.64e15)]",
         "[ 1970-01-02T00:00:00.000Z, Invalid Date, [Date: 8640000000000000] ]"),
        ("[/a\\/b/gi, /x/v]", "[ /a\\/b/gi, /x/v ]"),
        ("[new Uint8Array([1, 2]), new Float64Array([0.5]), new BigInt64Array([-1n])]",
         "[ Uint8Array(2) [ 1, 2 ], Float64Array(1) [ 0.5 ], BigInt64Array(1) [ -1n ] ]"),
        ("[new ArrayBuffer(8), new DataView(new ArrayBuffer(4))]",
         "[ ArrayBuffer { byteLength: 8 }, DataView { byteLength: 4 } ]"),
        ("[new TypeError('bad'), new (class Odd extends Error { name = 'Odd'; })('x'), new Error()]",
         "[ [TypeError: bad], [Odd: x], [Error] ]"),
        ("[new Error('a\\nb'), Symbol('a\\tb'), { ['a\\nb']() {} }['a\\nb']]",
         "[ [Error: a\\nb], Symbol(a\\tb), [Function: a\\nb] ]"),
        ("[Promise.resolve(3), Promise.withResolvers().promise]", "[ Promise { 3 }, Promise { pending } ]"),
        ("[function f() {}, class K {}, () => {}, Math.max, (() => {}).bind(null)]",
         '[ [Function: f], [class K], [Function: (anonymous)], [Function: max], [Function: bound ] ]'),
        ("[Object(1), Object('s'), Object(Symbol('y')), Object(true)]",
         '[ [Number: 1], [String: "s"], [Symbol: Symbol(y)], [Boolean: true] ]'),
        ("[Object.create(null), Object.create({ a: 1 })]", "[ [Object: null prototype] {}, {} ]"),
        ("[(function* () {})(), [1].values(), new WeakMap()]", "[ Generator {}, Array Iterator {}, WeakMap {} ]"),
        ("new (class Order { #secret = [1]; static x = 1; constructor() { this.id = 3; } })()",
         "Order { #secret: [ 1 ], id: 3 }"),
    ],
)  # fmt: skip
def test_values_are_shown_as_they_are_written(author: Author, expression: str, shown: str) -> None:
    """All kinds of values, each short."""
    assert held(frame_in(author, f"const value = {expression}; await sleep(1); return value;"))["value"] == shown


HOSTILE = """
globalThis.touched = 0;
const touch = () => { touched++; for (;;) {} };
const handler = new Proxy({}, { get: () => touch });
class Trap { get value() { return touch(); } toString() { return touch(); } toJSON() { return touch(); }
  get [Symbol.toStringTag]() { return touch(); } [Symbol.toPrimitive]() { return touch(); }
  static get name() { return touch(); } }
Object.defineProperty(Trap.prototype, "constructor", { get: touch });
function hostile() {
  const wide = {};
  for (let i = 0; i < 5000; i++) wide["key" + i] = i;
  const deep = [];
  for (let i = 0, at = deep; i < 5000; i++) at.push(at = []);
  return [new Proxy({}, handler), new Trap(), { get x() { return touch(); }, set y(v) {} }, wide, deep,
    Object.create(new Proxy({}, handler)), { name: { toString: touch } }, { ["<b>\\u001b[31m"]: "</pre><script>" }];
}
"""


def test_nothing_of_a_program_runs_to_show_it(author: Author) -> None:
    """Getters, proxies and ``toString`` of a program are not asked, and its VM is what it was."""
    main = 'export async function main() { "use workflow"; const value = hostile(); await sleep(1); return touched; }'
    source = f'import {{ sleep }} from "workflow"; {HOSTILE}\n{main}'
    run = author.run(source).begin()
    before = run.state()
    (task,) = run.stack()

    assert held(task.frames[0])["value"] == (
        "[ [Proxy of {}], {}, { x: [Getter], y: [Setter] }, { key0: 0, key1: 1, key2: 2, key3: 3, key4: 4, key5: 5, "
        "key6: 6, key7: 7, key8: 8, key9: 9, key10: 10, key11: 11, … 4988 more }, [ [ [ [Array] ] ] ], {}, "
        '{ name: { toString: [Function: touch] } }, { "<b>\\u001b[31m": "</pre><script>" } ]'
    )
    assert run.state() == before
    assert run.wake(1).value == 0


def test_of_two_variables_with_one_name_the_one_in_scope_is_shown(author: Author) -> None:
    """Blocks that have ended, and those that are yet to come, are not seen."""
    frame = frame_in(
        author,
        """
        { const gone = 1; const x = "first"; }
        const x = "outer";
        for (const item of [1, 2]) {
          const x = "in the loop", f = () => item;
          if (item === 2) await sleep(1);
        }
        { const later = 3; const x = "last"; later + x; }
        """,
    )

    assert held(frame) == {"input": '"given"', "x": '"in the loop"', "item": "2", "f": "[Function: f]"}


def test_what_is_not_assigned_yet_is_not_shown(author: Author) -> None:
    """A ``const`` below the ``await`` has no value; a ``var`` is undefined."""
    frame = frame_in(author, "let a; await sleep(1); const b = 2; var c = b + a; return c;")
    assert held(frame) == {"input": '"given"', "a": "undefined", "c": "undefined"}


def test_variables_of_functions_around_are_shown_and_those_of_modules_not(author: Author) -> None:
    """However deep a function is nested; what is in module scope is not its own."""
    frame = frame_in(
        author,
        """
        const a = [1]; let n = 0;
        const f = async () => { await (async (b) => { n += outside; a.push(b); await sleep(1); })(2); };
        await f();
        """,
        before="const outside = 5;",
    )
    assert held(frame) == {"b": "2", "n": "5", "a": "[ 1, 2 ]"}


def test_many_variables_and_calls_are_bounded(author: Author) -> None:
    """Fifty variables of a frame are shown, and a hundred frames of a task."""
    names = ", ".join(f"v{n} = {n}" for n in range(60))
    frame = frame_in(author, f"let {names}; await sleep(1); return v1;")
    assert [(each.name, each.value) for each in frame.variables[-2:]] == [("v48", "48"), ("…", "11 more")]

    deep = author.body("const f = async (n) => n ? await f(n - 1) : await sleep(1); await f(300);").begin()
    (task,) = deep.stack()
    assert len(task.frames) == 100


def test_a_minified_program_shows_what_stands_around_the_await(author: Author) -> None:
    """Its one line is cut, and the column says where."""
    filler = "".join(f"const a{n}={n};" for n in range(200))
    frame = frame_in(author, f"{filler}await sleep(a1);{filler.replace('a', 'b')}")
    assert "await sleep(a1)" in frame.source
    assert len(frame.source) < 220
    assert frame.column == len(filler) + 1


def test_typescript_shows_its_own_lines(author: Author) -> None:
    """Types are blanked where they stand, so that places are those of the author's file."""
    source = """import { sleep } from "workflow";
interface Order {
  id: string;
}
export async function main(input: string): Promise<void> {
  "use workflow";
  const order: Order = { id: input as string };
  await sleep(1);
  void order;
}
"""
    (task,) = author.run({"flow.ts": source}).begin("o-1").stack()
    assert (task.frames[0].file, task.frames[0].line, task.frames[0].column) == ("./flow.ts", 8, 3)
    assert held(task.frames[0]) == {"input": '"o-1"', "order": '{ id: "o-1" }'}


def test_those_who_wait_in_a_circle_are_shown(author: Author) -> None:
    """Two functions that await each other wait for ever, and for each other."""
    run = author.body(
        "let b; const f = async () => { await null; await b; }; const g = async (a) => { await a; }; "
        "const a = f(); b = g(a); await sleep(1); await b;"
    ).begin("x")
    tasks = by_name(run)
    (circle,) = [task for name, task in tasks.items() if name != "main"]
    assert sorted(frame.function for frame in circle.frames) == ["f", "g"]


FAILING = """
import { sleep } from "workflow";
import { charge } from "./orders.py";
class OrderError extends Error { constructor(order) { super(`bad ${order}`); this.name = "OrderError"; } }
function check(order) {
  const limit = 2;
  if (order.length > limit) throw new OrderError(order);
  return order;
}
async function pay(order) {
  const cents = order.length * 100;
  await sleep(1);
  new Error("made, and not thrown");
  return check(order) + cents;
}
export async function main(input) {
  "use workflow";
  const kept = [input];
  try { null.missing; } catch (error) { kept.push(error.name); }
  if (input === "step") return await charge(1);
  if (input === "engine") { const order = undefined; return order.id; }
  if (input === "text") { await sleep(1); throw "a text"; }
  if (input === "again") { try { await pay("abc"); } catch (error) { throw error; } }
  const paid = await Promise.all([pay("ab"), pay(input)]);
  return paid;
}
"""


def raised(author: Author, given: str) -> Run:
    """Return a run that has begun, and is watched."""
    return author.run(FAILING).watch().begin(given)


def test_a_failure_is_shown_where_it_was_raised(author: Author) -> None:
    """The functions that ran, those that awaited them, and what all of them held; not the class of the error."""
    run = raised(author, "abcd").wake(1).wake(2)
    assert run.failure.message == "bad abcd"
    (task,) = run.stack()

    assert (task.name, task.waits_for) == ("main", "nothing: it raised OrderError: bad abcd")
    assert [(frame.function, frame.line, frame.source) for frame in task.frames] == [
        ("main", 24, 'const paid = await Promise.all([pay("ab"), pay(input)]);'),
        ("pay", 14, "return check(order) + cents;"),
        ("check", 7, "if (order.length > limit) throw new OrderError(order);"),
    ]
    assert list(map(held, task.frames)) == [
        {"input": '"abcd"', "kept": '[ "abcd", "TypeError" ]'},
        {"order": '"abcd"', "cents": "400"},
        {"order": '"abcd"', "limit": "2"},
    ]


def test_errors_of_the_engine_and_of_steps_are_raised_in_workflows(author: Author) -> None:
    """A TypeError where it comes from, a step's error at the ``await``, and one that was caught where it was made."""
    (task,) = raised(author, "engine").stack()
    assert task.waits_for.startswith("nothing: it raised TypeError: ")
    assert [(frame.function, frame.line, held(frame)["order"]) for frame in task.frames] == [("main", 21, "undefined")]

    (task,) = raised(author, "step").fail(1, FatalError("no money")).stack()
    assert task.waits_for == "nothing: it raised FatalError: no money"
    assert [(frame.function, frame.source[-22:]) for frame in task.frames] == [
        ("main", "return await charge(1);"[-22:])
    ]

    (task,) = raised(author, "again").wake(1).stack()
    assert [frame.function for frame in task.frames] == ["main", "pay", "check"]


def test_what_was_not_seen_to_be_raised_is_not_shown(author: Author) -> None:
    """What is thrown and is no error has no place, nor has anything while nobody watches."""
    assert raised(author, "text").wake(1).stack() == []
    assert author.run(FAILING).begin("engine").stack() == []


def test_watching_changes_nothing_and_ends(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is watched does what it did; one that calls too much is not watched to its end."""
    plain, watched = author.run(WORKFLOW).begin("in"), author.run(WORKFLOW).watch().begin("in")
    assert watched.last == plain.last
    assert watched.complete(3, 5).last == plain.complete(3, 5).last

    monkeypatch.setattr(raising, "LOOKS_MAX", 20)
    assert raised(author, "engine").stack() == []


def test_a_heap_of_another_layout_is_refused(guest: QuickJS, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose contents are known is read first; what is read wrong there is not shown of others."""
    run = author.run(WORKFLOW).begin("in")
    monkeypatch.setattr(guest, "_readable", None)
    monkeypatch.setattr(layout, "STRING_DATA", layout.STRING_DATA - 8)
    with pytest.raises(ConfigurationError, match=r"cannot be read in this build .* `torpor inspect` shows"):
        run.stack()


def test_a_damaged_heap_harms_nobody(author: Author) -> None:
    """Whatever stands in memory, something is shown or a HeapError comes, and soon."""
    run = author.run(WORKFLOW).begin("in")
    memory, context = run.heap
    program = author.program({"flow.js": WORKFLOW})
    whole = tasks_of(Heap(memoryview(memory), context), program, {})
    assert whole == run.stack()
    image, chance, odd = run._image.memory.view, random.Random(7), 0  # type: ignore[attr-defined]  # of its memory
    own = [at for at in range(0, min(len(image), len(memory)), 4) if memory[at : at + 4] != image[at : at + 4]]
    for _ in range(60):
        copy = bytearray(memory)
        for _ in range(chance.choice((1, 10, 100))):
            at = chance.choice(own)
            copy[at : at + 4] = chance.choice((0, 2**32 - 1, chance.randrange(len(copy)), chance.choice(own))).to_bytes(
                4, "little"
            )
        try:
            odd += tasks_of(Heap(memoryview(copy), context), program, {}) != whole
        except HeapError:
            odd += 1
    assert odd > 20
