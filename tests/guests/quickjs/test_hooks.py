"""Hooks as workflow code sees them."""

from __future__ import annotations

import base64

import pytest

from tests.guests.quickjs.conftest import BEGAN_AT, Author, Run, text_of, value_of
from torpor.codec.values import RunReference


def created(run: Run, op: int = 1) -> Run:
    """Tell the run that the token is its own."""
    return run.deliver(run.event("hook_created", op))


def conflict(run: Run, op: int = 1, owner: str = "wrun_other") -> Run:
    """Tell the run that the token is another's."""
    return run.deliver(run.event("hook_conflict", op, owner=owner))


def receive(run: Run, *payloads: object, op: int = 1) -> Run:
    """Hand payloads to a hook, all in one call."""
    return run.deliver(*(run.event("hook_received", op, value=text_of(payload)) for payload in payloads))


def test_create_asks_for_a_hook(author: Author) -> None:
    """Creation is an op with token and metadata, and waits for nothing."""
    run = author.body("const hook = createHook({ token: 'a', metadata: { k: 1 } }); return hook.token").begin()

    (op,) = run.ops
    assert (op.n, op.type, op.name, op.at) == (1, "hook", "a", BEGAN_AT)
    assert value_of(op.input) == {"k": 1}
    assert run.value == "a"


def test_hook_without_metadata_has_no_input(author: Author) -> None:
    """Absent metadata is told apart from any value."""
    run = author.body("createHook({ token: 'a' }); createHook({ token: 'b', metadata: null })").begin()

    assert run.ops[0].input is None
    assert value_of(run.ops[1].input) is None
    assert run.ops[1].input is not None


def test_await_yields_the_next_payload(author: Author) -> None:
    """Each await takes one payload, in order of arrival."""
    run = author.body("const hook = createHook({ token: 'a' }); return [await hook, await hook]").begin()
    receive(receive(created(run), 1), {"n": 2})

    assert run.value == [1, {"n": 2}]


def test_payloads_wait_for_the_first_await(author: Author) -> None:
    """What comes before anybody awaits is kept, in order."""
    body = "const hook = createHook({ token: 'a' }); await charge(1); return [await hook, await hook, await hook]"
    run = receive(created(author.body(body).begin()), "x", "y", "z").park().complete(2)

    assert run.value == ["x", "y", "z"]


def test_concurrent_awaits_are_served_in_order(author: Author) -> None:
    """Two waiters get two payloads, first come, first served."""
    run = author.body("const h = createHook({ token: 'a' }); return Promise.all([h, h])").begin()

    assert receive(created(run), 1, 2).value == [1, 2]


def test_iteration_takes_all_payloads(author: Author) -> None:
    """for await yields every payload until the loop is left."""
    body = "const got = []; for await (const p of createHook({ token: 'a' })) { got.push(p); if (p === 'end') break } "
    run = created(author.body(body + "return got").begin())

    assert receive(receive(run, 1, 2).park(), "end").value == [1, 2, "end"]


def test_leaving_a_loop_keeps_the_hook(author: Author) -> None:
    """Breaking out of an iteration does not dispose of the hook."""
    body = "const h = createHook({ token: 'a' }); for await (const p of h) break; return await h"
    run = receive(created(author.body(body).begin()), 1, 2)

    assert run.value == 2
    assert [op.type for op in run.ops] == ["hook"]


def test_dispose_frees_the_token_once(author: Author) -> None:
    """Disposal is one op that names the hook's op, however often it is called."""
    run = author.body("const h = createHook({ token: 'a' }); h.dispose(); h.dispose(); await sleep(1)").begin()

    assert [(op.type, op.target) for op in run.ops[:2]] == [("hook", 0), ("hook_dispose", 1)]
    assert [op.type for op in run.ops[2:]] == ["wait"]


@pytest.mark.parametrize("declaration", ["using", "await using"])
def test_using_disposes_at_the_end_of_the_block(author: Author, declaration: str) -> None:
    """A hook is disposed of when its block is left."""
    run = author.body(f"{{ {declaration} h = createHook({{ token: 'a' }}) }} await sleep(1)").begin()

    assert [op.type for op in run.ops] == ["hook", "hook_dispose", "wait"]


def test_dispose_ends_iteration(author: Author) -> None:
    """A loop that waits for a payload ends when the hook is disposed of."""
    body = """const h = createHook({ token: 'a' });
    const loop = (async () => { for await (const p of h); return 'ended' })();
    await charge(1); h.dispose(); return await loop"""
    run = created(author.body(body).begin()).complete(2)

    assert run.value == "ended"


def test_dispose_releases_a_pending_await(author: Author) -> None:
    """A plain await of a hook that will never receive anything throws."""
    body = "const h = createHook({ token: 'a' }); const p = Promise.resolve(h).catch((e) => e.name); "
    run = created(author.body(body + "await charge(1); h.dispose(); return await p").begin()).complete(2)

    assert run.value == "HookDisposedError"


def test_await_after_dispose_throws(author: Author) -> None:
    """So does an await that comes later; payloads that nobody took are gone."""
    body = """const h = createHook({ token: 'a' }); await charge(1); h.dispose();
    try { await h } catch (e) { return e.message }"""
    run = receive(created(author.body(body).begin()), "late").complete(2)

    assert run.value == "hook a was disposed of; it will receive nothing any more"


def test_payload_after_dispose_is_ignored(author: Author) -> None:
    """A delivery to a disposed hook does no harm."""
    run = created(author.body("const h = createHook({ token: 'a' }); h.dispose(); await sleep(1)").begin())

    assert receive(run, "late").wake(3).value is None


def test_awaiting_a_conflicting_hook_throws(author: Author) -> None:
    """The error has the token and the run that owns it."""
    body = """const h = createHook({ token: 'a' });
    try { await h } catch (e) { return [e.name, e.token, e.conflictingRunId, e.message] }"""
    name, token, owner, message = conflict(author.body(body).begin()).value

    assert (name, token, owner) == ("HookConflictError", "a", "wrun_other")
    assert "a" in message


def test_later_await_of_a_conflicting_hook_throws(author: Author) -> None:
    """Awaiting and iterating after the conflict is known throw as well."""
    body = """const h = createHook({ token: 'a' }); await charge(1); const seen = [];
    try { await h } catch (e) { seen.push(e.name) }
    try { for await (const p of h); } catch (e) { seen.push(e.name) }
    return seen"""
    run = conflict(author.body(body).begin()).complete(2)

    assert run.value == ["HookConflictError", "HookConflictError"]


def test_conflicting_hook_is_not_disposed_of(author: Author) -> None:
    """A token that is another's is not freed."""
    body = "const h = createHook({ token: 'a' }); await charge(1); h.dispose(); await sleep(1)"
    run = conflict(author.body(body).begin()).complete(2)

    assert [op.type for op in run.ops] == ["hook", "step", "wait"]


@pytest.mark.parametrize("is_first", [True, False])
def test_get_conflict_tells_the_owner(author: Author, is_first: bool) -> None:
    """It resolves with the owner, or with null when the token is ours."""
    run = author.body("return await createHook({ token: 'a' }).getConflict()").begin()
    answered = created(run) if is_first else conflict(run)

    assert answered.value == (None if is_first else RunReference("wrun_other"))


def test_only_waiting_for_the_answer_is_eager(author: Author) -> None:
    """A run that awaits getConflict must not be parked; one that awaits a payload may."""
    asking = author.body("await createHook({ token: 'a' }).getConflict(); await sleep(1)").begin()
    waiting = author.body("await createHook({ token: 'a' })").begin()

    assert asking.last.awaits_ack
    assert not waiting.last.awaits_ack
    assert not created(asking).last.awaits_ack


def test_answer_reaches_a_disposed_hook(author: Author) -> None:
    """getConflict resolves although the hook was disposed of before the answer came."""
    run = author.body("const h = createHook({ token: 'a' }); h.dispose(); return await h.getConflict()").begin()

    assert run.last.awaits_ack
    assert created(run).value is None


def test_generated_tokens_are_unguessable_and_the_run_s_own(author: Author) -> None:
    """A token has 144 random bits in url-safe characters, differs between hooks and runs, and returns in a replay."""
    image = author.load('import { createHook } from "workflow"; export async function main() '
                        '{ "use workflow"; return [createHook().token, createHook().token] }')  # fmt: skip
    first, second = author.run(image).begin().value
    other = author.run(image).begin(seed=bytes(32)).value[0]
    replayed = author.run(image).begin().value[0]

    assert len({first, second, other}) == 3
    assert first == replayed
    assert len(base64.urlsafe_b64decode(first)) == 18


@pytest.mark.parametrize(
    ("token", "error"),
    [
        ("''", "RangeError: createHook: token has 0 characters; 1 to 256 are allowed"),
        ("'x'.repeat(257)", "RangeError: createHook: token has 257 characters; 1 to 256 are allowed"),
        ("5", "TypeError: createHook: token must be a string, not number"),
    ],
)
def test_token_out_of_bounds_is_refused(author: Author, token: str, error: str) -> None:
    """Tokens are strings of 1 to 256 characters."""
    run = author.body(f"try {{ createHook({{ token: {token} }}) }} catch (e) {{ return String(e) }}").begin()

    assert run.value == error
    assert run.ops == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            "{ token: 'a', meta: 1 }",
            "TypeError: createHook: there is no option meta; there are token, metadata, minRetention",
        ),
        ("'a'", "TypeError: createHook takes options as an object, such as { token: … }, not a string"),
        ("null", "TypeError: createHook takes options as an object, such as { token: … }, not null"),
    ],
)
def test_what_a_hook_does_not_know_is_refused(author: Author, options: str, error: str) -> None:
    """A misspelt option would otherwise be no option, and a text no token."""
    run = author.body(f"try {{ createHook({options}) }} catch (e) {{ return String(e) }}").begin()

    assert run.value == error
    assert run.ops == []


def test_metadata_that_cannot_be_stored_is_refused(author: Author) -> None:
    """The error names the hook."""
    body = "try { createHook({ token: 'a', metadata: { f() {} } }) } catch (e) { return String(e) }"
    run = author.body(body).begin()

    assert run.value.startswith("TypeError: createHook: metadata of hook a cannot be stored: ")


def test_damaged_payload_rejects_its_await_only(author: Author) -> None:
    """A payload that cannot be read fails the await that takes it, and the next one goes on."""
    body = "const h = createHook({ token: 'a' }); try { await h } catch (e) { return [e instanceof Error, await h] }"
    run = created(author.body(body).begin())
    run.deliver(run.event("hook_received", 1, value="devl[[5]]"), run.event("hook_received", 1, value=text_of("ok")))

    assert run.value == [True, "ok"]


def test_a_defined_hook_sends_what_its_schema_makes(author: Author) -> None:
    """Also when that is nothing."""
    run = author.body(
        "await defineHook({ schema: { parse: () => null } }).resume('a', 5)", imports="defineHook"
    ).begin()
    [op] = run.last.ops
    assert (op.type, op.name) == ("step", "step//torpor//resume")
    assert value_of(op.input or "") == {"args": ["a", None]}


def test_a_defined_hook_refuses_to_send_what_does_not_fit(author: Author) -> None:
    """Nothing is asked for; the error tells the first complaints, with their places, and how many more there are."""
    issues = "Array.from({ length: 7 }, (_, n) => ({ message: `wrong ${n}`, path: ['items', n, { key: 'name' }] }))"
    schema = f"{{ '~standard': {{ version: 1, vendor: 'a test', validate: () => ({{ issues: {issues} }}) }} }}"
    run = author.body(
        f"try {{ await defineHook({{ schema: {schema} }}).resume('a', 5) }} catch (error) {{ return error.message }}",
        imports="defineHook",
    ).begin()
    assert run.last.ops == []
    told = "; ".join(f".items[{n}].name: wrong {n}" for n in range(5))
    assert run.value == f"hook a: the payload does not fit its schema: {told}; and 2 more"


@pytest.mark.parametrize("schema", ["5", "{}", "null", "{ '~standard': {} }"])
def test_what_is_no_schema_is_refused(author: Author, schema: str) -> None:
    """Where the hook is defined, and not when the first payload comes."""
    run = author.body(
        f"try {{ defineHook({{ schema: {schema} }}) }} catch (error) {{ return error.message }}", imports="defineHook"
    ).begin()
    assert run.value == "a schema is a Standard Schema, as those of Zod and Valibot are, or has a method parse"
