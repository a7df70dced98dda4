"""What only the guest's codec does: its messages and bounds, and that programs may patch the prototypes it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codec.damaged import DAMAGED, DAMAGED_FOR_JAVASCRIPT
from tests.codec.node import CODEC_SERVER, Node, NodeError, write_modules


def complaint(node: Node, expression: str) -> str:
    """Return what the codec says to a value that it should write."""
    answer = node("complaint", expression)
    assert answer["name"] == "TypeError"
    return str(answer["message"])


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("() => 1", "value is a function, which cannot be stored; only steps and workflows can be passed as functions"),
        ("{ args: [{ when: Symbol('s') }] }", ".args[0].when is a symbol, which cannot be stored; use a string"),
        (
            "[new (class Order {})()]",
            "[0] is an instance of Order, which cannot be stored; pass plain data, or give its",
        ),
        ("{ 'a b': Promise.resolve() }", '["a b"] is an instance of Promise, which cannot be stored; await it first'),
        ("new Map([['k', { f() {} }]])", '.get("k").f is a function'),
        ("new Map([[{}, () => 1]])", ".get(…) is a function"),
        ("new Set([1, Symbol()])", "[1] is a symbol"),
        ("Object.assign([], { 50: () => 1 })", "[50] is a function"),
        ("Object.assign(Object.create(null), { a: { b() {} } })", ".a.b is a function"),
        ("new Point({ x: () => 1 }, 2)", ".x.x is a function"),
        ("still(new Error('x', { cause: () => 1 }))", ".cause is a function"),
        ("{ a: { [Symbol('s')]: 1 } }", ".a has a symbol as key, Symbol(s); use a string"),
        ("{ a: JSON.parse('{\"__proto__\": 1}') }", '.a has a key "__proto__", which is refused'),
        ("new WeakMap()", "value is an instance of WeakMap"),
        ("Object.create({ inherited: 1 })", "value is an instance of Object"),
        (
            "(() => { const p = new Point(1, {}); p.y.p = p; return [p]; })()",
            "[0].y.p leads back to the Point that it is part of, which cannot be rebuilt",
        ),
        (
            "new (class { static [Symbol.for('workflow-serialize')]() {} })()",
            'has Symbol.for("workflow-serialize") but no static classId',
        ),
    ],
)
def test_what_cannot_be_stored_is_named_with_its_place(node: Node, expression: str, message: str) -> None:
    """The message has the path, the type and what to do."""
    assert message in complaint(node, expression)


@pytest.mark.parametrize("around", ["[v]", "{ v }", "new Map([[1, v]])"])
def test_nesting_beyond_the_bound_is_refused(node: Node, around: str) -> None:
    """The bound is Python's."""
    expression = f"(() => {{ let v = 1; for (let i = 0; i <= 10_000; i++) v = {around}; return v; }})()"

    assert "is nested deeper than 10000 containers" in complaint(node, expression)


def test_nesting_up_to_the_bound_is_written_and_read(node: Node) -> None:
    """Without recursion, whatever the engine's stack."""
    expression = "(() => { let v = []; for (let i = 0; i < 9_997; i++) v = [v]; return v; })()"

    text = node("write", expression)

    assert node("rewrite", [text])[0]["returned"] == text


@pytest.mark.parametrize("text", [*DAMAGED, *DAMAGED_FOR_JAVASCRIPT])
def test_a_damaged_text_is_refused(node: Node, text: str) -> None:
    """It is a SyntaxError or TypeError, as it is a SerializationError in Python."""
    assert node("complaints", [f"devl{text}"])[0]["name"] in {"SyntaxError", "TypeError"}


def test_a_text_without_the_prefix_is_refused(node: Node) -> None:
    """The message shows how it begins."""
    assert node("complaints", ["zstd[1]"])[0]["message"] == '"zstd[1]" is no codec text'


def test_sparse_arrays_are_bounded_together(node: Node) -> None:
    """As in Python."""
    text = f"devl[[{','.join(str(at) for at in range(1, 20))}]{',[-7,100000]' * 19}]"

    assert "over 1000000 elements" in node("complaints", [text])[0]["message"]


def test_a_proto_key_is_refused(node: Node) -> None:
    """In an object, in one without prototype, and on the way to a reducer."""
    texts = ['devl[{"__proto__":1},1]', 'devl[["null","__proto__",1],1]', 'devl[["Set",1],[2],{"__proto__":-1}]']

    assert all("__proto__" in answer["message"] for answer in node("complaints", texts))


def test_lone_surrogates_survive(node: Node) -> None:
    """Escaped, since UTF-8 has none."""
    text = node("write", r"{ '\ud800é': '\udfff😀' }")

    assert text == r'devl[{"\ud800é":1},"\udfff😀"]'
    assert node("reads", text, r"{ '\ud800é': '\udfff😀' }")
    assert node("write", r"'\ud800'.repeat(600)") == 'devl["' + r"\ud800" * 600 + '"]'


def test_a_class_that_the_program_lacks_is_named(node: Node) -> None:
    """By its id."""
    text = 'devl[["Instance",1],{"classId":2,"data":3},"class//./x.js//Gone",{}]'

    assert "class class//./x.js//Gone is not defined in this program" in node("complaints", [text])[0]["message"]


def test_retry_times_are_taken_in_every_form(node: Node) -> None:
    """Milliseconds, text or a Date; a Date is kept."""
    assert node("look", "devl[null]", "+new codec.RetryableError('m', { retryAfter: new Date(5) }).retryAfter") == 5
    for given in ("90_000", "'1m 30s'"):
        after = f"new codec.RetryableError('m', {{ retryAfter: {given} }}).retryAfter - Date.now()"
        assert 80_000 < node("look", "devl[null]", after) <= 90_000
    assert node("look", "devl[null]", "'retryAfter' in new codec.RetryableError('m')") is False
    with pytest.raises(NodeError, match="RetryableError: there is no option retryafter; there are retryAfter, cause"):
        node("look", "devl[null]", "new codec.RetryableError('m', { retryafter: 5 })")


def test_the_errors_of_authors_keep_their_causes_and_names(node: Node) -> None:
    """They are ordinary errors, recognised by name."""
    assert node("look", "devl[null]", "new codec.FatalError('m', { cause: 5 }).cause") == 5
    assert node("look", "devl[null]", "new codec.RetryableError('m', { cause: 5 }).cause") == 5
    assert node("look", "devl[null]", "codec.FatalError.is(Object.assign(new Error(), { name: 'FatalError' }))")
    assert not node("look", "devl[null]", "codec.FatalError.is({ name: 'FatalError' })")
    assert node("look", "devl[null]", "Object.keys(new codec.FatalError('m')).length") == 0


def test_an_error_with_an_unusual_message_is_written(node: Node) -> None:
    """Its text is what a reader gets."""
    text = node("write", "Object.assign(still(new Error()), { message: 5, name: null })")

    assert text == 'devl[["Error",1],{"name":2,"message":3,"stack":4},"null","5","STACK"]'


def test_handles_show_what_was_stored_of_them(node: Node) -> None:
    """Fields, whether a response is good, and the signal of a controller."""
    response = (
        'devl[["Response",1],{"type":2,"url":3,"status":4,"statusText":3,"headers":5,"body":7,"redirected":8},"default","",'
        '204,["Headers",6],[],null,false]'
    )
    abort = '{"streamName":2,"hookToken":3,"aborted":4,"reason":5},"strm_1","abrt_1",true,"because"]'
    thrown = "(() => { try { it.throwIfAborted() } catch (reason) { return reason } })()"

    assert node("look", response, "it.ok && it.status + it.type") == "204default"
    assert (
        node("look", f'devl[["AbortController",1],{abort}', "it.signal === it.signal && it.signal.reason") == "because"
    )
    assert node("look", f'devl[["AbortSignal",1],{abort}', thrown) == "because"


def test_what_a_handle_cannot_do_says_where_it_can(node: Node) -> None:
    """Reading a stream is for a step."""
    with pytest.raises(NodeError, match=r"ReadableStream\.getReader is not available in workflow code; pass the"):
        node("look", 'devl[["ReadableStream",1],{"name":2},"strm_1"]', "it.getReader()")


PATCHES = """
    Date.prototype.toISOString = Date.prototype.getTime = () => 'patched';
    Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag, { get: () => 'patched' });
    Uint8Array.prototype.toBase64 = () => 'patched';
    Uint8Array.fromBase64 = () => { throw new Error('patched'); };
    JSON.stringify = JSON.parse = () => 'patched';
    Object.keys = Object.getPrototypeOf = Object.create = () => { throw new Error('patched'); };
    Array.isArray = Array.from = Number.isInteger = () => { throw new Error('patched'); };
    globalThis.Map = globalThis.Set = globalThis.Date = globalThis.Error = class Patched {};
"""


def test_a_program_may_patch_what_the_codec_uses(node_path: str, tmp_path: Path) -> None:
    """What reads and builds values was taken before any program could change it."""
    text = 'devl[{"d":1,"b":3,"s":5},["Date",2],"1970-01-01T00:00:00.000Z",["Uint8Array",4],"AQID",["Set",6],[7],1]'
    patched = Node(node_path, CODEC_SERVER, write_modules(tmp_path))

    try:
        again = patched("look", text, f"(() => {{ {PATCHES} return stringify(parse(stringify(it))); }})()")
    finally:
        patched.close()

    assert again == text
