"""Module scope, randomness and the clock: what an image may hold and what belongs to a run."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import BEGAN_AT, Author
from torpor.errors import ConfigurationError

WORKFLOW = '\nexport async function main() { "use workflow"; return value; }\n'


@pytest.mark.parametrize(
    "expression",
    [
        "Math.random()",
        "Date.now()",
        "new Date().getTime()",
        "Date().length",
        "performance.timeOrigin",
        "crypto.randomUUID()",
        "crypto.getRandomValues(new Uint8Array(2))[0]",
        "new (class extends Date {})().getTime()",
    ],
)
def test_impure_module_scope_is_evaluated_per_run(author: Author, expression: str) -> None:
    """A clock read or an entropy draw at module scope names the author's line."""
    image = author.load(f"// first line\nconst value =\n  {expression};{WORKFLOW}")

    assert image.per_run == "./flow.js:3"
    assert author.run(image).begin().status == "completed"


@pytest.mark.parametrize(
    "expression",
    ["new Date(5).getTime()", "Date.UTC(2020, 1)", "Date.parse('2020-01-01')", "Math.PI", "performance.now()"],
)
def test_pure_module_scope_is_shared(author: Author, expression: str) -> None:
    """Dates made from given values read no clock, and the time since the run began is 0 before it."""
    assert author.load(f"const value = {expression};{WORKFLOW}").per_run is None


def test_impure_line_of_typescript_is_the_author_s(author: Author) -> None:
    """The place is that of the source before types were stripped."""
    source = "interface A {\n  a: string;\n}\n\nconst value: number = Math.random();" + WORKFLOW

    assert author.load({"flow.ts": source}).per_run == "./flow.ts:5"


def test_module_scope_of_a_run_has_the_run_s_values(author: Author) -> None:
    """A program that is evaluated per run sees the run's own clock and entropy at module scope."""
    image = author.load(
        "const value = [Date.now(), crypto.randomUUID()];" + WORKFLOW,
    )
    (at, drawn), (_, other) = author.run(image).begin().value, author.run(image).begin(seed=bytes(32)).value

    assert at == BEGAN_AT
    assert drawn != other


def test_math_random_is_the_run_s_own(author: Author) -> None:
    """Equal seeds draw alike, different ones do not; numbers lie in [0, 1) and use 53 bits."""
    image = author.load(
        'export async function main() { "use workflow"; return Array.from({ length: 1000 }, () => Math.random()) }'
    )
    first, again = author.run(image).begin().value, author.run(image).begin().value
    other = author.run(image).begin(seed=bytes(32)).value

    assert first == again
    assert not set(first) & set(other)
    assert len(set(first)) == 1000
    assert all(0 <= number < 1 for number in first)
    assert 0.45 < sum(first) / 1000 < 0.55
    assert any((number * 2**53) % 2 for number in first)


def test_math_random_goes_on_after_a_snapshot(author: Author) -> None:
    """The generator's state is part of the snapshot."""
    image = author.load("""import { sleep } from "workflow";
export async function main(parks) { "use workflow"; const a = Math.random(); await sleep(1); return [a, Math.random()] }
""")
    kept = author.run(image).begin().wake(1)
    parked = author.run(image).begin().park().wake(1)

    assert kept.value == parked.value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("await new Promise(() => {});" + WORKFLOW, "the top-level await of ./flow.js never settles"),
        ("\nnull.x;" + WORKFLOW, "./flow.js:2"),
        ("\n\nconst value = ;" + WORKFLOW, "./flow.js:3"),
        ('import { sleep } from "workflow";\nsleep(1);' + WORKFLOW, "sleep was called while the module was loaded"),
        ('import { createHook } from "workflow";\ncreateHook();' + WORKFLOW, "createHook was called while the module"),
        (
            'import { getWorkflowMetadata as g } from "workflow";\ng();' + WORKFLOW,
            "getWorkflowMetadata was called while the module",
        ),
    ],
)
def test_module_that_does_not_load_is_told(author: Author, source: str, message: str) -> None:
    """A program that fails at module scope is refused with the place."""
    with pytest.raises(ConfigurationError) as caught:
        author.load(source)

    assert message in str(caught.value)


def test_top_level_await_that_settles_is_fine(author: Author) -> None:
    """Modules may await what needs no event."""
    assert author.run("const value = await Promise.resolve(3);" + WORKFLOW).begin().value == 3


def test_module_state_is_not_shared_between_runs(author: Author) -> None:
    """Each run starts from the image, whatever another run wrote into module variables."""
    image = author.load('let n = 0; export async function main() { "use workflow"; return ++n }')

    assert [author.run(image).begin().value for _ in range(2)] == [1, 1]


def test_json_and_dynamic_imports_are_served(author: Author) -> None:
    """JSON modules with attributes, and modules imported while the workflow runs."""
    files = {
        "flow.js": """import limits from "./limits.json" with { type: "json" };
export async function main() {
  "use workflow";
  const { double } = await import("./double");
  return double(limits.most);
}
""",
        "limits.json": '{"most": 21}',
        "double.ts": "export const double = (n: number): number => n * 2;",
    }
    assert author.run(files).begin().value == 42
