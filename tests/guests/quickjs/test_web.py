"""The classes of the web inside a durable run, and what is refused of them."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import BEGAN_AT, Author


def test_a_timeout_is_a_durable_timer(author: Author) -> None:
    """``AbortSignal.timeout`` asks for a wait, survives sleep, and aborts with Node's reason."""
    run = author.body(
        """const signal = AbortSignal.timeout(5000);
        const heard = new Promise((resolve) => { signal.onabort = () => resolve(performance.now()) });
        const both = AbortSignal.any([signal, new AbortController().signal]);
        const at = await heard;
        return [at, signal.aborted, both.reason.name, both.reason.message];"""
    ).begin()

    assert [(op.type, op.due) for op in run.ops] == [("wait", BEGAN_AT + 5000)]
    assert run.park().wake(1, after_ms=4999).value == [
        5000,
        True,
        "TimeoutError",
        "The operation was aborted due to timeout",
    ]


@pytest.mark.parametrize("delay", ["-1", "1.5", "'1s'", "NaN"])
def test_a_timeout_that_is_none_is_refused(author: Author, delay: str) -> None:
    """As Node does, with the argument's name."""
    assert "delay" in str(author.body(f"AbortSignal.timeout({delay})").begin().failure)


def test_the_time_of_performance_is_the_run_s(author: Author) -> None:
    """It begins at 0 with the run and goes on while the run sleeps; its origin is the run's beginning."""
    run = author.body(
        "const a = performance.now(); await sleep(250); return [a, performance.now(), performance.timeOrigin]"
    )

    assert run.begin().park().wake(1, after_ms=249).value == [0, 250, BEGAN_AT]


def test_what_a_listener_throws_is_logged(author: Author) -> None:
    """The other listeners hear of the event all the same."""
    run = author.body(
        """const target = new EventTarget();
        let heard = 0;
        target.addEventListener("paid", () => { throw new TypeError("no") });
        target.addEventListener("paid", () => heard++);
        target.dispatchEvent(new Event("paid"));
        return heard;"""
    ).begin()

    assert run.value == 1
    assert run.logs[0].level == "error"
    assert run.lines[0].startswith("a listener of the event paid threw TypeError: no\n    at ")


def test_a_live_query_survives_sleep(author: Author) -> None:
    """URL and its parameters are still one after a snapshot."""
    run = author.body(
        'const u = new URL("https://a.b/"); const p = u.searchParams; await sleep(1); p.set("q", "1"); return u.href'
    )

    assert run.begin().park().wake(1).value == "https://a.b/?q=1"


def test_parameters_are_stored(author: Author) -> None:
    """They go to steps and come back as what they are, from every kind of argument."""
    run = author.body('const got = await charge(new URLSearchParams({ a: "1 2" })); return got.get("a")').begin()
    (op,) = run.ops
    assert op.input is not None

    assert "a=1+2" in op.input


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ("setTimeout(() => 1)", "await sleep("),
        ("setInterval(() => 1)", "await sleep("),
        ("clearTimeout(1)", "Promise.race"),
        ("new Intl.NumberFormat()", "in workflow code use toLocaleString for en-US, or a step"),
        ("Buffer.from('a')", "in workflow code use Uint8Array"),
        ("process.env.HOME", "in workflow code use arguments of the workflow, or a step"),
        ("require('fs')", "in workflow code use import"),
        ("new FormData()", "in workflow code use URLSearchParams"),
        ("new Blob(['a']).stream()", "use text(), bytes() or arrayBuffer()"),
        ("performance.mark('a')", "keep what performance.now() returns"),
        ("new TextDecoder('sjis')", "decode it in a step"),
        ("(5).toLocaleString('de-DE')", 'the locale "de-DE" is not available'),
        ("(5).toLocaleString('en-US', { style: 'unit' })", 'the option style: "unit" is not available'),
        ("(5).toLocaleString('en-US', { style: 'currency', currency: 'JPY' })", 'the option currency: "JPY" is not'),
        ("5n.toLocaleString('fr')", "is not available, because workflow code has no locale data"),
        (
            "new Date(0).toLocaleDateString(undefined, { year: 'numeric' })",
            'the option year: "numeric" is not available',
        ),
        ("new Date(0).toLocaleTimeString('en-GB')", 'the locale "en-GB" is not available'),
        ("[1].toLocaleString('de')", 'the locale "de" is not available'),
        ("new Int8Array(1).toLocaleString('de')", 'the locale "de" is not available'),
        ("'a'.localeCompare('b', 'sv')", 'the locale "sv" is not available'),
        ("'a'.localeCompare('b', undefined, { numeric: true })", "the option numeric: true is not available"),
        ("'日'.localeCompare('本')", "has no place in its order"),
        ("'i'.toLocaleUpperCase('tr')", 'the locale "tr" is not available'),
        ("AbortSignal.any([1])", "AbortSignal"),
    ],
)
def test_what_a_run_cannot_have_says_what_to_do(author: Author, body: str, advice: str) -> None:
    """A refusal names what was called, where, and a way out."""
    error = author.body(body).begin().failure

    assert advice in str(error)
    assert "./flow.js:3:" in str(error.stack)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("new AbortController()", "pass its signal to the step"),
        ("new Blob(['a'])", "pass what await blob.bytes() returns"),
    ],
)
def test_what_lives_in_one_run_is_not_stored(author: Author, value: str, advice: str) -> None:
    """Its refusal says what to pass instead."""
    assert advice in str(author.body(f"await charge({value})").begin().failure)


def test_a_signal_is_stored_by_its_stream(author: Author) -> None:
    """The same one each time; what it has aborted for goes along, and what it aborts for later is a step's to tell."""
    run = author.body(
        "const [one, other] = [new AbortController(), new AbortController()];"
        "charge(one.signal, one.signal, other.signal); other.abort('no'); one.abort('yes'); one.abort('again');"
        "await charge(AbortSignal.any([one.signal]))"
    ).begin()
    asked = [author.value_of(op.input) for op in run.ops]
    signals = [each.fields for each in asked[0]["args"]]
    name = signals[0]["streamName"]
    assert (signals[0], signals[1]["streamName"]) == (
        {"streamName": name, "runId": signals[0]["runId"], "hookToken": "", "aborted": False},
        name,
    )
    assert [(op.name, each["args"]) for op, each in zip(run.ops[1:3], asked[1:3], strict=True)] == [
        ("step//torpor//abort", [signals[2]["streamName"], "no"]),
        ("step//torpor//abort", [name, "yes"]),
    ]
    last = asked[3]["args"][0].fields
    assert (last["aborted"], last["reason"]) == (True, "yes")
    assert last["streamName"] not in (name, signals[2]["streamName"])


def test_an_absent_global_can_be_looked_for(author: Author) -> None:
    """Libraries ask what there is before they use it."""
    names = ["Intl", "Buffer", "process", "WebAssembly", "FormData", "XMLHttpRequest", "window", "require"]
    run = author.body("return [" + ", ".join(f"typeof {name}" for name in names) + "]")

    assert run.begin().value == ["undefined"] * len(names)


def test_a_module_knows_its_address(author: Author) -> None:
    """``import.meta.url`` is a URL below the project root, on every machine the same."""
    files = {
        "flows/main.js": """import { here } from "../lib/über it.ts";
export async function main() {
  "use workflow";
  return [import.meta.url, new URL("./x.json", import.meta.url).href, here];
}
""",
        "lib/über it.ts": "export const here: string = import.meta.url;\n",
    }

    assert author.run(files).begin().value == [
        "file:///flows/main.js",
        "file:///flows/x.json",
        "file:///lib/%C3%BCber%20it.ts",
    ]


OWN = """
class PaymentError extends Error {
  name = "PaymentError";
  constructor(message, options) { super(message, options); this.code = "E1"; this.details = { tries: [1, 2] } }
}
const error = new PaymentError("no", { cause: Object.assign(new Error("inner"), { errno: 5 }) });
error.again = () => 1;
error.self = error;
"""


def test_own_properties_of_errors_are_kept(author: Author) -> None:
    """What authors add to an error goes along, also in causes; what cannot be stored is left out."""
    run = author.body(f"{OWN} throw error").begin()
    error = run.failure
    fields = error.fields

    assert (fields["code"], fields["details"], fields["self"] is error) == ("E1", {"tries": [1, 2]}, True)
    assert fields["cause"].fields["errno"] == 5
    assert "again" not in fields


def test_own_properties_come_back_from_steps(author: Author) -> None:
    """Errors that went to Python and back have them, as anyone may see them."""
    run = author.body(
        f"{OWN} const back = await charge(error); return [Object.keys(back), back.code, back.cause.errno]"
    ).begin()
    (op,) = run.ops
    sent = author.value_of(op.input)["args"][0]

    assert run.complete(1, sent).value == [["code", "details", "self"], "E1", 5]


def test_own_properties_of_an_author_s_errors_are_attributes(author: Author) -> None:
    """Of classes that both languages have too, there and back."""
    run = author.body(
        """const error = Object.assign(new FatalError("no"), { code: "E1", sku: "s-1" });
        const back = await charge(error);
        return [back.code, back.sku, back instanceof FatalError]"""
    ).begin()
    sent = author.value_of(run.ops[0].input)["args"][0]

    assert (sent.code, sent.sku) == ("E1", "s-1")
    sent.sku = "s-2"
    assert run.complete(1, sent).value == ["E1", "s-2", True]


def test_attributes_of_exceptions_are_properties(author: Author) -> None:
    """What a step's exception has beside its arguments can be read, and goes back with it, also when it was changed."""

    class OutOfStockError(Exception):
        sku: str

    error = OutOfStockError("none left")
    error.sku = "s-1"
    run = author.body(
        'try { await charge() } catch (e) { const was = e.sku; e.sku = "s-2"; await ship(e); return was }'
    ).begin()
    run.fail(1, error)

    assert author.value_of(run.ops[1].input)["args"][0].data["state"] == {"sku": "s-2"}
    assert run.complete(2).value == "s-1"


def test_a_weak_reference_lasts_until_the_next_event(author: Author) -> None:
    """As long as anything that runs now could ask for it; then only what else holds it counts."""
    body = """
    const held = {};
    const refs = [new WeakRef({}), new WeakRef(held), new (class Mine extends WeakRef {})([])];
    const seen = () => refs.map((ref) => typeof ref.deref()).join();
    const now = seen();
    await null;
    const later = seen();
    await charge(1);
    return [now, later, seen(), held !== undefined, WeakRef.prototype.constructor === WeakRef];
    """
    run = author.body(body).begin()

    assert run.complete(1).value == ["object,object,object"] * 2 + ["undefined,object,undefined", True, True]
