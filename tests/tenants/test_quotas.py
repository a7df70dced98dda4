"""What a tenant may use, and what happens when it has."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tests.tenants.application import done, note, pour
from torpor import QuotaExceededError, Quotas, RunFailedError, Torpor
from torpor.errors import ConfigurationError
from torpor.limits import STREAM_BATCH_BYTES_MAX
from torpor.tenants import Language

SECONDS = 30
SLEEPS = "from torpor import sleep\nasync def main():\n    await sleep('1h')\n"
BURNS = {
    "python": "async def main():\n    while True: pass\n",
    "javascript": 'export async function main() { "use workflow"; for (;;); }',
}
FILLS = {
    "python": "async def main():\n    kept = []\n    while True: kept.append(bytearray(1 << 20))\n",
    "javascript": 'export async function main() { "use workflow"; for (const l = [];;) l.push(new Array(99999)); }',
}


async def failure(app: Torpor, quotas: Quotas, source: str, language: Language = "python") -> str:
    """Return how a run of a tenant with these quotas fails, once its code was seen to."""
    run = await app.tenant("acme", quotas=quotas, allow=[note]).start(source, language=language)
    with pytest.raises(RunFailedError) as caught:
        await run.result(timeout=SECONDS)
    assert caught.value.failure == "QUOTA_EXCEEDED"
    return str(caught.value)


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_cpu_time_of_a_turn(app: Torpor, language: Language) -> None:
    """It is interrupted soon, and counted."""
    told = await failure(app, Quotas(cpu_per_turn=0.05), BURNS[language], language)
    assert "tenant 'acme' has a run for which a turn used more than 0.05 s" in told
    used = (await app.tenant("acme").info()).usage.cpu_us
    assert 40_000 < used < 2_000_000


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_memory(app: Torpor, language: Language) -> None:
    """Below the guest's own limit."""
    told = await failure(app, Quotas(memory=40 << 20), FILLS[language], language)
    assert "(quota memory)" in told


async def test_vms_have_all_their_room_again_when_tenants_have_left(app: Torpor) -> None:
    """The same instances serve everybody."""
    await failure(app, Quotas(memory=40 << 20), FILLS["python"])
    wide = app.tenant("bolt", quotas=Quotas(memory=0, cpu_per_turn=0))
    run = await wide.start("async def main():\n    return len([bytearray(1 << 20) for _ in range(60)])\n")
    assert await run.result(timeout=SECONDS) == 60


async def test_steps_of_a_run(app: Torpor) -> None:
    """Over all of its turns, exactly."""
    told = await failure(
        app,
        Quotas(steps=5),
        "from steps import note\nasync def main():\n    while True: await note(1)\n",
    )
    assert "(quota steps)" in told
    assert len(done) == 5


async def test_cpu_time_in_all(app: Torpor) -> None:
    """Turn by turn, over runs; who has used it up begins nothing more."""
    quotas = Quotas(cpu=0.3, cpu_per_turn=0.25)
    burns = "from steps import note\nasync def main():\n    for n in range(2_000_000): pass\n    await note(1)\n"
    acme = app.tenant("acme", quotas=quotas, allow=[note])
    failures = []
    for _ in range(20):
        try:
            await (await acme.start(burns)).result(timeout=SECONDS)
        except RunFailedError as error:
            failures.append(str(error))
        except QuotaExceededError as error:
            failures.append(str(error))
            break
    assert "(quota cpu)" in failures[-1]
    assert (await acme.info()).usage.cpu_us < 700_000
    more = app.tenant("acme", quotas=replace(quotas, cpu=60.0, cpu_per_turn=5.0))
    assert (await more.start(SLEEPS)).id.startswith("@acme:")


async def test_storage(app: Torpor) -> None:
    """Of a run that writes for ever; then no run begins."""
    quotas = Quotas(storage=150_000, steps=0)
    writes = "from steps import note\nasync def main():\n    while True: await note('x' * 40_000 + str(id))\n"
    assert "(quota storage)" in await failure(app, quotas, writes)
    acme = app.tenant("acme")
    assert (await acme.info()).usage.stored < 600_000
    with pytest.raises(QuotaExceededError, match="quota storage"):
        await asyncio.gather(*(acme.start(SLEEPS) for _ in range(30)))


async def test_streams_count_as_storage(app: Torpor) -> None:
    """A step that writes for ever is refused what passes the quota, and its run fails; then no run begins."""
    quotas = Quotas(storage=3_000_000)
    pours = "from steps import pour\nasync def main():\n    await pour(1_000)\n"
    acme = app.tenant("acme", quotas=quotas, allow=[pour])
    run = await acme.start(pours)
    with pytest.raises(RunFailedError, match=r"\(quota storage\)") as caught:
        await run.result(timeout=SECONDS)
    assert caught.value.failure == "QUOTA_EXCEEDED"
    assert [step.attempt for step in await run.steps()] == [1]
    stored = (await acme.info()).usage.stored
    assert sum(stream.size for stream in await run.streams()) < stored < 3_000_000 + STREAM_BATCH_BYTES_MAX + 100_000
    with pytest.raises(QuotaExceededError, match="quota storage"):
        await acme.start(pours)
    with pytest.raises(QuotaExceededError, match="quota storage"):
        await run.writable("more").write("x")


async def test_runs_at_once_wait_for_one_another(app: Torpor) -> None:
    """Those that are awake; sleeping ones do not count."""
    acme = app.tenant("acme", quotas=Quotas(runs=1), allow=[note])
    source = "from torpor import sleep\nfrom steps import note\n"
    source += "async def main(n):\n    await sleep('1ms')\n    return await note(n)\n"
    runs = [await acme.start(source, [n]) for n in range(6)]
    assert sorted(await asyncio.gather(*(run.result(timeout=SECONDS) for run in runs))) == list(range(6))
    [queue] = [info for info in await app.queues.list() if info.name == "@acme"]
    assert (queue.limits.concurrency, queue.limits.asleep) == (1, "give_back")


async def test_children_count_as_starts(app: Torpor) -> None:
    """A run that starts others without end is told, and catches it if it likes."""
    bombs = """
from torpor import Torpor, sleep
app = Torpor()
async def child():
    await sleep("1h")
async def main():
    for n in range(100):
        try:
            await app.start(child)
        except Exception as error:
            return [n, str(error)]
"""
    acme = app.tenant("acme", quotas=Quotas(open_runs=4))
    started, told = await (await acme.start(bombs)).result(timeout=SECONDS)
    assert started == 3
    assert "(quota open_runs)" in told


async def test_quotas_hold_on_another_worker_and_after_a_restart(app: Torpor) -> None:
    """They are in the world: who only has that knows them."""
    await app.tenant("acme", quotas=Quotas(steps=2), allow=[note]).save()
    other = app.on(app.world)
    source = "from steps import note\nasync def main():\n    for n in range(9): await note(n)\n"
    run = await other.tenant("acme").start(source)
    with pytest.raises(RunFailedError, match="quota steps"):
        await run.result(timeout=SECONDS)


async def test_what_is_not_given_stays(app: Torpor) -> None:
    """Quotas and steps are set apart."""
    await app.tenant("acme", quotas=Quotas(steps=7)).save()
    info = await app.tenant("acme", allow=[note]).save()
    assert info.tenant.quotas.steps == 7
    assert info.tenant.allow == ("step//./application.py//note",)
    info = await app.tenant("acme", quotas=Quotas(steps=8)).save()
    assert info.tenant.allow == ("step//./application.py//note",)


@pytest.mark.parametrize(("write", "nth"), [("set_queue", 1), ("set_queue", 2), ("put_tenant", 1)])
async def test_quotas_that_are_half_stored_are_stored_by_the_next(
    app: Torpor, monkeypatch: pytest.MonkeyPatch, write: str, nth: int
) -> None:
    """Whoever dies while they change, before whichever write: the queues keep to them in the end."""
    await app.tenant("acme", quotas=Quotas(runs=2)).save()
    real, left = getattr(app.world, write), iter(range(nth, 0, -1))

    async def dies(*args: object) -> object:
        if next(left) == 1:
            raise ConnectionError("it has died")
        return await real(*args)

    quotas = Quotas(runs=1, step_rate="3/s")
    with monkeypatch.context() as dying:
        dying.setattr(app.world, write, dies)
        with pytest.raises(ConnectionError):
            await app.tenant("acme", quotas=quotas).save()
    assert (await app.tenant("acme", quotas=quotas).save()).tenant.quotas == quotas
    assert (await app.queues.get("@acme")).limits.concurrency == 1
    assert (await app.queues.get("@acme:steps")).limits.rate == 3


@pytest.mark.parametrize(
    "wrong", [{"steps": -1}, {"cpu": "1"}, {"starts": "many"}, {"memory": True}, {"step_rate": "0/"}]
)
def test_quotas_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """Where they are written."""
    with pytest.raises(ConfigurationError, match=rf"Quotas\({next(iter(wrong))}="):
        Quotas(**wrong)  # type: ignore[arg-type]  # what is tried
