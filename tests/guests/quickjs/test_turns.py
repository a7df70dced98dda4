"""A run in a VM: begin, deliver, outbox."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.support import COUNTER, program, run_to_end
from tests.guests.support import NOW, answer, begin, result
from torpor.errors import GuestTrapError, VmError
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Begin, Delivery


def test_a_workflow_asks_for_a_step_and_goes_on_with_its_result(js: QuickJS) -> None:
    """
    Ops come out numbered; what is delivered for one is what its await returns.
    """
    vm = js.lease(js.load(program(COUNTER)))

    out = begin(vm, "counter", 10)
    assert [(op.n, op.type, op.name, op.input) for op in out.ops] == [(1, "step", "add", "[10,0]")]

    out = answer(vm, 1, 17)
    assert [(op.n, op.input) for op in out.ops] == [(2, "[17,1]")]
    vm.release()


def test_a_finished_workflow_gives_its_result(js: QuickJS) -> None:
    """
    The outbox of the last turn holds the result.
    """
    source = 'import { step } from "workflow"; export async function main() { return (await step("a")()) * 2; }'
    vm = js.lease(js.load(program(source)))
    begin(vm, "main")

    assert result(answer(vm, 1, 21)) == 42
    vm.release()


def test_each_delivery_has_its_own_clock_and_microtasks(js: QuickJS) -> None:
    """
    Of several deliveries in one inbox, each is applied at its own time and drained before the next.
    """
    source = """
    import { step, log } from "workflow";
    export async function main() {
      const seen = [];
      const one = async (s) => { await s; await 0; await 0; seen.push(["done", Date.now()]); };
      const a = one(step("a")()), b = one(step("b")());
      await Promise.all([a, b]);
      return seen;
    }"""
    vm = js.lease(js.load(program(source)))
    begin(vm, "main")

    out = vm.deliver([Delivery("step_completed", 2, NOW + 5, value="1"), Delivery("step_completed", 1, NOW + 9)])

    assert result(out) == [["done", NOW + 5], ["done", NOW + 9]]
    vm.release()


def test_a_failed_step_throws(js: QuickJS) -> None:
    """
    A failure is delivered with its error.
    """
    source = 'import { step } from "workflow"; export async function main() { await step("a")(); }'
    vm = js.lease(js.load(program(source)))
    begin(vm, "main")

    out = vm.deliver([Delivery("step_failed", 1, NOW, error="out of stock")])

    assert (out.status, out.error) == ("failed", "Error: out of stock")
    vm.release()


def test_an_empty_inbox_is_a_turn(js: QuickJS) -> None:
    """
    Delivering nothing asks for nothing.
    """
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 1)

    out = vm.deliver([])

    assert (out.ops, out.status) == ([], "pending")
    vm.release()


def test_a_thousand_deliveries_are_one_turn(js: QuickJS) -> None:
    """
    An inbox as large as the engine makes them is applied in order.
    """
    source = """
    import { step } from "workflow";
    export async function main(n) {
      return await Promise.all(Array.from({ length: n }, (_, i) => step("s")(i)));
    }"""
    vm = js.lease(js.load(program(source)))
    out = begin(vm, "main", 1000)

    out = vm.deliver([Delivery("step_completed", op.n, NOW + op.n, value=str(op.n * 3)) for op in out.ops])

    assert result(out) == [n * 3 for n in range(1, 1001)]
    vm.release()


@pytest.mark.parametrize("text", ["", "a\0b", "naïve ☃ 🦔 \u2028", "\ud800", "x\udfff\ud83dy", "\ufffe\U0010ffff"])
def test_strings_cross_unchanged(js: QuickJS, text: str) -> None:
    """
    Whatever a JavaScript string may hold comes back as it went, lone surrogates and null characters too.
    """
    source = """
    export async function main(text) {
      return [text.length, Array.from(text, (c) => c.codePointAt(0)), text];
    }"""
    code_points = [ord(c) for c in text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")]

    length, seen, back = run_to_end(js, source, "main", text)

    assert length == len(text.encode("utf-16-le", "surrogatepass")) // 2
    assert seen == code_points
    assert back == text


def test_raw_lone_surrogates_go_in_as_they_are(js: QuickJS) -> None:
    """
    A module whose text holds a lone surrogate is evaluated with it.
    """
    assert run_to_end(js, 'export async function main() { return "\ud83d".charCodeAt(0); }') == 0xD83D


def test_a_lone_surrogate_in_a_log_line_does_not_stop_the_turn(js: QuickJS) -> None:
    """
    What no UTF-8 text may hold is shown as U+FFFD in a log line.
    """
    source = 'import { log } from "workflow"; export async function main() { log("half \\ud83d 🦔"); }'
    vm = js.lease(js.load(program(source)))

    out = begin(vm, "main")

    assert [line.text for line in out.logs] == ["half \ufffd 🦔"]
    vm.release()


def test_an_exception_of_the_bootstrap_is_a_trap_with_message_and_stack(js: QuickJS) -> None:
    """
    What the guest's own code throws is our fault, and says where.
    """
    vm = js.lease(js.load(program(COUNTER)))

    with pytest.raises(GuestTrapError, match=r"begin threw Error: no workflow nobody(.|\n)*at begin \(torpor:main:\d+"):
        begin(vm, "nobody")

    with pytest.raises(VmError, match="release it and lease another one"):
        vm.deliver([])
    vm.release()


def test_an_outbox_that_workflow_code_spoiled_is_a_trap(js: QuickJS) -> None:
    """
    A workflow that replaces JSON.stringify harms nobody but its run.
    """
    source = 'export async function main() { JSON.stringify = () => "{"; }'
    vm = js.lease(js.load(program(source)))

    with pytest.raises(GuestTrapError, match="outbox cannot be read"):
        begin(vm, "main")
    vm.release()


def test_a_released_vm_refuses_work(js: QuickJS) -> None:
    """
    After release, which may be called twice, a VM does nothing more.
    """
    vm = js.lease(js.load(program(COUNTER)))
    vm.release()
    vm.release()

    with pytest.raises(VmError, match="was released"):
        begin(vm, "counter", 1)


def test_web_interfaces_are_there(js: QuickJS) -> None:
    """
    The five extension libraries are linked and work.
    """
    source = """
    export async function main() {
      const url = new URL("https://user@example.com:8080/a/../b?q=%C3%A9#f");
      const text = new TextDecoder().decode(new TextEncoder().encode("hé"));
      const clone = structuredClone(new Map([["a", new Date(5)]]));
      const headers = new Headers({ A: "1" });
      headers.append("a", "2");
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode("abc")));
      return [url.host + url.pathname, new URLSearchParams(url.search).get("q"), text, clone.get("a").getTime(),
        headers.get("a"), Array.from(digest.slice(0, 3)), crypto.randomUUID().length];
    }"""

    assert run_to_end(js, source) == ["example.com:8080/b", "é", "hé", 5, "1, 2", [0xBA, 0x78, 0x16], 36]


def test_local_time_is_utc(js: QuickJS) -> None:
    """
    The guest's time zone does not depend on the host's.
    """
    source = "export async function main(t) { const d = new Date(t); return [d.getTimezoneOffset(), d.getHours()]; }"

    assert run_to_end(js, source, "main", 1_800_000_000_000) == [0, 8]


def test_the_url_of_the_run_reaches_the_bootstrap(js: QuickJS) -> None:
    """
    A begin without optional fields and one with all of them are both accepted.
    """
    vm = js.lease(js.load(program(COUNTER)))

    out = vm.begin(Begin("wrun_1", "counter", "[1]", bytes(32), NOW, url="https://example.com"))

    assert len(out.ops) == 1
    vm.release()
