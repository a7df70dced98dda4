"""A tenant's runs see and touch what is their own, whatever their code has done to its VM."""

from __future__ import annotations

import pytest

from tests.engine.support import has_event
from tests.tenants.application import app as application
from tests.tenants.application import done, look, note, whose, write
from torpor import HookNotFoundError, Quotas, RunFailedError, RunHandle, SyncTorpor, Torpor
from torpor.codec import dumps
from torpor.codec.crypto.keys import generate, key_text
from torpor.codec.values import WritableStream
from torpor.errors import ConfigurationError
from torpor.tenants import Tenant

SECONDS = 30
WAITS = "from torpor import hook\nasync def main(token):\n    return await hook(token)\n"
EMITS = """
import sys
from torpor import sleep
async def main(*ops):
    run = sys.modules["torpor._guest.run"].run
    for kind, given in ops:
        run.emit(kind, None, **given)
    await sleep("50ms")
    return "done"
"""
NAME = "step//./application.py//"


@pytest.fixture
def acme(app: Torpor) -> Tenant:
    """A tenant that may call some steps."""
    return app.tenant("acme", allow=[note, look, write, whose])


@pytest.fixture
async def other(app: Torpor) -> RunHandle:
    """A run of another tenant that waits for a hook with the token ``go``."""
    run = await app.tenant("bolt").start(WAITS, ["go"])
    await has_event(app, run, "hook_created")
    return run


async def outcome(run: RunHandle) -> str:
    """Return how a run fails."""
    with pytest.raises(RunFailedError) as caught:
        await run.result(timeout=SECONDS)
    return f"{caught.value.failure}: {caught.value}"


@pytest.mark.parametrize("step", [f"{NAME}unlisted", "step//torpor//fork", "step//torpor//model", "x", "step//*"])
async def test_a_forged_step_ends_the_run(acme: Tenant, step: str) -> None:
    """Although the application has it, and programs of the application may call it; it is not carried out."""
    run = await acme.start(EMITS, [["step", {"name": step, "input": 'devl[{"args":1},[2],"rm"]'}]])
    assert "NOT_ALLOWED" in await outcome(run)
    assert done == []


@pytest.mark.parametrize(
    "op",
    [
        ["hook", {"name": "", "watch": "wrun_of_somebody"}],
        ["hook", {"name": "", "watch": "@bolt:one"}],
        ["attributes", {"attributes": {"$tenant": "bolt"}}],
        ["attributes", {"attributes": {"$parentRunId": "@bolt:one"}}],
    ],
)
async def test_other_forged_requests_end_the_run(acme: Tenant, op: list[object]) -> None:
    """Ends of others' runs, and what Torpor says of runs."""
    assert (await outcome(await acme.start(EMITS, [op])))[:11] in ("NOT_ALLOWED", "RUNTIME_ERR")
    assert [info.attributes["$tenant"] for info in await acme.list_runs()] == ["acme"]


async def test_tokens_are_its_own(app: Torpor, acme: Tenant, other: RunHandle) -> None:
    """Two tenants have the same, and so may the application; none finds another's."""
    mine = await acme.start(WAITS, ["go"])
    await has_event(app, mine, "hook_created")
    await acme.resume_hook("go", "mine")
    assert await mine.result(timeout=SECONDS) == "mine"
    with pytest.raises(HookNotFoundError):
        await acme.resume_hook("go", "again")
    with pytest.raises(HookNotFoundError):
        await app.resume_hook("go", "nobody's")
    with pytest.raises(HookNotFoundError):
        await acme.resume_hook("@bolt:go", "not mine")
    await app.tenant("bolt").resume_hook("go", "theirs")
    assert await other.result(timeout=SECONDS) == "theirs"


async def test_what_builtin_steps_reach_is_its_own(app: Torpor, acme: Tenant, other: RunHandle) -> None:
    """Status, cancellation, messages and hooks of others are refused, with an error that code can catch."""
    ours = await app.start("victim")
    source = """
from torpor import Torpor
app = Torpor()
async def main(ids):
    told = []
    for run_id in ids:
        run = app.run(run_id)
        for act in (run.status, run.cancel, lambda: run.send("box", 1), lambda: app.resume_hook("go", 1),
                    lambda: app.resume_hook("@bolt:go", 1)):
            try:
                told.append(repr(await act()))
            except Exception as error:
                told.append(type(error).__name__)
    return told
"""
    run = await acme.start(source, [[other.id, ours.id, "wrun_nobody"]])
    told = await run.result(timeout=SECONDS)
    assert set(told) <= {"NotAllowedError", "HookNotFoundError"}
    assert await other.status() == "running"


async def test_values_among_arguments_lead_to_its_own(acme: Tenant, other: RunHandle) -> None:
    """A handle of another's run fails the step before its body sees it; its own is one."""
    head = "from torpor import Torpor, current_workflow\nfrom steps import look\n"
    source = f"{head}async def main(run_id):\n    return await look(Torpor().run(run_id))\n"
    for run_id in (other.id, "wrun_nobody"):
        assert "is not of tenant 'acme'" in await outcome(await acme.start(source, [run_id]))
    own = f"{head}async def main():\n    return await look(Torpor().run(current_workflow().id))\n"
    assert await (await acme.start(own)).result(timeout=SECONDS) == "running"


async def test_streams_among_arguments_are_its_own(app: Torpor, acme: Tenant, other: RunHandle) -> None:
    """To write to another's would be to speak for it."""
    source = """
from torpor import get_writable
from steps import write
async def main():
    return await write(get_writable("news"), "x")
"""
    assert await (await acme.start(source)).result(timeout=SECONDS) == "written"
    forged = dumps({"args": [WritableStream({"name": "news", "runId": other.id}), "x"]}).decode()
    run = await acme.start(EMITS.replace("50ms", "1h"), [["step", {"name": f"{NAME}write", "input": forged}]])
    await has_event(app, run, "step_failed")
    [failed] = [event for event in await run.events() if event.type == "step_failed"]
    assert b"is not of tenant 'acme'" in (failed.payload or b"")
    assert await other.streams() == []


async def test_a_child_is_its_own(acme: Tenant) -> None:
    """Whatever id, queue and priority its code asks for; of another program it starts nothing."""
    source = """
from torpor import Torpor
from steps import whose
app = Torpor()
async def child():
    return await whose()
async def main():
    run = await app.start(child, run_id="mine", queue="fast", priority=100)
    try:
        await app.start("victim")
    except Exception as error:
        return [await run.result(), str(error)]
"""
    child, told = await (await acme.start(source)).result(timeout=SECONDS)
    assert child == "@acme:mine"
    assert "a tenant's runs may start those of their program: child, main" in told
    info = await acme.run("mine").info()
    assert (info.queue, info.priority, info.attributes["$tenant"]) == ("@acme", 0, "acme")


async def test_fetch_is_refused_but_from_allowed_hosts(app: Torpor) -> None:
    """By default from all; what the application allows its own code is nothing to a tenant."""
    source = "from torpor import fetch\nasync def main(url):\n    return (await fetch(url)).status\n"
    told = await outcome(await app.tenant("acme").start(source, ["http://127.0.0.1:9/"]))
    assert "app.tenant('acme', allow=[…, 'host//127.0.0.1'])" in told


async def test_runs_and_searches_are_its_own(app: Torpor, acme: Tenant, other: RunHandle) -> None:
    """Ids of others are refused."""
    await (await acme.start("async def main(): return 1", run_id="one")).result(timeout=SECONDS)
    assert [info.id for info in await acme.list_runs()] == ["@acme:one"]
    assert [info.id for info in await app.list_runs(attributes={"$tenant": "bolt"})] == [other.id]
    with pytest.raises(ConfigurationError, match="is not of tenant 'acme'"):
        acme.run(other.id)


async def test_forks_and_reruns_stay_its_own(acme: Tenant) -> None:
    """Whatever they are called."""
    first = await acme.start("from steps import note\nasync def main(n):\n    return await note(n)\n", [5])
    assert await first.result(timeout=SECONDS) == 5
    again = await first.rerun(run_id="again")
    assert (again.id, await again.result(timeout=SECONDS)) == ("@acme:again", 5)
    fork = await first.fork(at=2)
    assert fork.id.startswith("@acme:")
    assert await fork.result(timeout=SECONDS) == 5
    assert (await first.fork(at=2, run_id="@bolt:mine")).id == "@acme:@bolt:mine"
    assert (await acme.info()).usage.runs == 4


async def test_keys_of_its_own(app: Torpor) -> None:
    """What its runs store is under them, programs too; the application's own runs stay as they were."""
    key = key_text(generate())
    acme = app.tenant("acme", keys=key, allow=[note])
    async with app.worker():  # one that has the key
        run = await acme.start("from steps import note\nasync def main(n):\n    return await note(n)\n", ["secret"])
        assert await run.result(timeout=SECONDS) == "secret"
        ours = await app.start("victim")
        assert await ours.result(timeout=SECONDS) == "ours"
    key_id = key.partition(":")[0]
    assert (await app.world.get_run(run.id)).key_id == key_id
    assert (await app.world.get_run(ours.id)).key_id == ""
    assert all(b"secret" not in (event.payload or b"") for event in await app.world.events(run.id))
    assert any(name.endswith(f"@{key_id}") for name in await app.world.blob_sizes("program/"))


async def test_all_of_it_goes(app: Torpor, acme: Tenant, other: RunHandle) -> None:
    """Runs that sleep included; others stay."""
    for n in range(3):
        await acme.start(WAITS, [f"t{n}"])
    assert await acme.delete() == 3
    assert await app.world.runs_beginning_with("@acme:", limit=9) == []
    assert [info.tenant.name for info in await app.world.tenants()] == ["bolt"]
    assert await other.status() == "running"
    assert await (await acme.start("async def main(): return 2")).result(timeout=SECONDS) == 2


def test_without_asynchronous_code() -> None:
    """By a front door that blocks."""
    with SyncTorpor(application.on("memory://"), worker=True) as torpor:
        acme = torpor.tenant("acme", quotas=Quotas(steps=3), allow=[note])
        assert acme.check("async def main(): ...") == ["main"]
        assert acme.start("async def main(n): return n", [4]).result(timeout=SECONDS) == 4
        assert (acme.save().usage.runs, len(acme.list_runs())) == (1, 1)
        assert acme.delete() == 1
