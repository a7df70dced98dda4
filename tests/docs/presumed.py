"""
What each fragment of the pages presumes.

Their texts are code: names that the page has from elsewhere, stand-ins for what is outside, and what must come of it.
"""

from __future__ import annotations

from tests.docs.fragments import Presumes
from tests.docs.presumed_by_agents import AGENTS

NOT_RUN = {
    ("coming-from-celery.md", "The tasks of tasks:app"): "test_coming_from_celery.py makes it, and runs what it made",
    ("from-workflow-sdk.md", "WORKFLOW_USE_STEP"): "test_from_workflow_sdk.py runs it in a project that Node builds",
    ("from-workflow-sdk.md", '@web.step("charge")'): "as above",
    ("transactions.md", "AsyncSession(engine)"): "it takes Postgres: tests/worlds has it for every kind of connection",
}
"""Fragments that are only compiled here, each with the reason."""

_APP = """
from torpor import Torpor, hook, sleep
app = Torpor("memory://")
"""

_DJANGO = """
from tests.django_database import django_file
django_file()
from django.db import connection, transaction
from torpor import Torpor
flows = Torpor(f"sqlite:///{django_file()}")

class Rows:
    def __init__(self, table):
        self.table = table

    def create(self, item):
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {self.table} (id INTEGER PRIMARY KEY, item TEXT)")
            cursor.execute(f"INSERT INTO {self.table} (item) VALUES (%s) RETURNING id", [item])
            self.id = cursor.fetchone()[0]
        return self

class Order:
    objects = Rows("orders_of_docs")

class Reservation:
    objects = Rows("reservations_of_docs")
"""

PAGES = [
    Presumes(
        "authority.md",
        "all steps of a file",
        before="from torpor import Torpor",
        behind="""
@app.workflow
async def greet() -> str:
    return "hello"
""",
        check="""
assert app.authority.allows_step("step//./reports.py//weekly")
assert app.authority.allows_step("step//./operations.py//restart")
assert not app.authority.allows_step("step//./operations.py//stop")
""",
    ),
    Presumes(
        "cancellation.md",
        "export async function tickets",
        before='import { sleep } from "workflow";\nimport { release, reserve } from "./{name}.py";',
        beside=_APP
        + """
told = []

@app.step
async def reserve(seat: str) -> None:
    told.append(f"reserved {seat}")

@app.step
async def release(seat: str) -> None:
    told.append(f"released {seat}")

app.workflows("{name}.js")
""",
        check="""
import pytest
from torpor import RunCancelledError
run = await torpor.start("tickets", "12C")
await run.waiting_for(sleep=True)
await run.cancel()
with pytest.raises(RunCancelledError):
    await run.result()
assert told == ["reserved 12C", "released 12C"]
""",
    ),
    Presumes(
        "cancellation.md",
        "app.cancel_runs",
        before=_APP
        + """
@app.workflow
async def tickets() -> None:
    await sleep("1 day")

@app.workflow
async def order() -> None:
    await sleep("1 day")
""",
        first="""
runs = [await torpor.start(tickets), await torpor.start(order, run_id="order-1"),
        await torpor.start(order, run_id="order-2")]
for run in runs:
    await run.waiting_for(sleep=True)
""",
        check="""
import pytest
from torpor import RunCancelledError
for run, why in zip(runs, ("the show is off", "", ""), strict=True):
    with pytest.raises(RunCancelledError) as caught:
        await run.result()
    assert caught.value.reason == why
""",
    ),
    Presumes(
        "deploying.md",
        "renamed=",
        before=_APP,
        behind="""
@app.workflow
async def pay(cents: int) -> None:
    await charge_card(cents)
""",
        check="""
assert await (await torpor.start(pay, 4200)).result() is None
""",
    ),
    Presumes(
        "deploying.md",
        "Client(world).start",
        before="""
from torpor import Torpor
app = Torpor("memory://")

@app.workflow
async def checkout(order: str, cents: int, *, gift: bool = False) -> list[object]:
    return [order, cents, gift]
""",
        first="await app.deploy()",
        check="""
await world.close()
assert await torpor.run(run.id).result() == ["o-1", 4200, True]
""",
        instead={"sqlite:////var/lib/shop/torpor.db": "sqlite:///{folder}/torpor.db"},
        world="sqlite:///{folder}/torpor.db",
    ),
    Presumes(
        "frameworks.md",
        "INSTALLED_APPS",
        before="""
from tests.django_database import django_file
django_file()
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from torpor import Torpor
from torpor.integrations import django as ours
from torpor.integrations.django import asgi, wsgi
flows = Torpor("memory://")
given = override_settings(TORPOR={"APP": "{name}:flows"})
given.enable()
""",
        check="""
import importlib
from django.utils.module_loading import import_string
from torpor.integrations.django.apps import check_settings
importlib.import_module(INSTALLED_APPS[-1])
import_string(MIDDLEWARE[-1])
with override_settings(TORPOR=TORPOR | {"APP": "{name}:flows"}):
    assert check_settings() == []
given.disable()
ours._mounted.cache_clear()
""",
    ),
    Presumes(
        "frameworks.md",
        "sync_torpor().start",
        before=_DJANGO
        + """
from django.http import JsonResponse
from django.test import override_settings
given = override_settings(TORPOR={"APP": "{name}:flows", "WORKER": True})
given.enable()

@flows.workflow
async def checkout(order: int) -> int:
    return order
""",
        check="""
import asyncio, json
from torpor.integrations import django as ours

def placed():
    try:
        return json.loads(place(None, "a kettle").content)["run"]
    finally:
        connection.close()

ours._mounted.cache_clear()
mount = ours._mounted().mount
await mount.open()
try:
    run = await asyncio.to_thread(placed)
    assert await current_torpor().run(run).result(timeout=60) == Order.objects.id
    assert json.loads((await look(None, run)).content) == {"status": "completed"}
finally:
    await mount.close()
    given.disable()
    ours._mounted.cache_clear()
""",
    ),
    Presumes(
        "retention.md",
        "archive=Capsules",
        behind="""
@app.workflow
async def greet() -> str:
    return "hello"
""",
        check="""
from pathlib import Path
run = await torpor.start(greet, run_id="greeting")
await run.result()
archive = app.what_is_kept().default.archive_for(None)
assert await archive.keep(torpor.world, [await torpor.world.get_run("greeting")])
[file] = Path("{folder}/kept").glob("*/*.capsule")
assert file.name.startswith("greeting.")
""",
        instead={'"kept"': '"{folder}/kept"'},
    ),
    Presumes(
        "steps.md",
        "CardDeclined",
        before=_APP
        + """
from torpor import StepError

class CardDeclined(Exception):
    pass

@app.step(max_retries=0)
async def charge(order: str) -> None:
    raise CardDeclined(order)
""",
        within="@app.workflow\nasync def pay(order: str) -> str:",
        instead={"...": 'return "declined"'},
        check="""
assert await (await torpor.start(pay, "o-1")).result() == "declined"
""",
    ),
    Presumes(
        "streams.md",
        "export async function parent",
        instead={"./steps.py": "./{name}.py"},
        beside=_APP
        + """
from torpor import ReadableStream, WritableStream

@app.step
async def tell(out: WritableStream, text: str) -> None:
    await out.write(text)

@app.step
async def readAll(source: ReadableStream) -> list[str]:
    found = []
    async for text in source:
        found.append(text)
        if len(found) == 2:
            break
    return found

@app.workflow
async def child(out: WritableStream) -> None:
    await tell(out, "from the child")

app.workflows("{name}.js")
""",
        check="""
assert await (await torpor.start("parent")).result() == ["from the parent", "from the child"]
""",
    ),
    Presumes(
        "time-travel.md",
        "index = await fork(3)",
        before=_APP
        + """
from torpor import fork, forks
thoughts = []

@app.step
async def think(question: str) -> str:
    thoughts.append(question)
    return f"plan for {question}"

@app.step
async def attempt(plan: str, index: int) -> str:
    return f"{plan}, way {index}"

@app.step
async def best(answers: list[str]) -> str:
    return max(answers)
""",
        check="""
assert await (await torpor.start(search, "tea")).result() == "plan for tea, way 3"
assert thoughts == ["tea"]
""",
    ),
    Presumes(
        "transactions.md",
        "# a SyncTorpor",
        before=_DJANGO
        + """
from torpor import SyncTorpor

@flows.workflow
async def fulfil(order: int) -> int:
    return order
""",
        within="def place(torpor):",
        check="""
import asyncio

def placed():
    try:
        with SyncTorpor(flows, worker=True) as front:
            place(front)
            (run,) = [each for each in front.list_runs() if each.name == "fulfil"]
            return front.run(run.id).result(timeout=60)
    finally:
        connection.close()

assert await asyncio.to_thread(placed) == Order.objects.id
""",
    ),
    Presumes(
        "transactions.md",
        "sessionmaker(engine).begin",
        before=_DJANGO
        + """
from contextlib import asynccontextmanager, contextmanager
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, sessionmaker
from torpor import current_step
app = flows

class Base(MappedAsDataclass, DeclarativeBase):
    pass

class Taken(Base):
    __tablename__ = "taken_of_docs"
    item: Mapped[str] = mapped_column(primary_key=True)

engine = create_engine(f"sqlite:///{django_file()}")
""",
        behind="""
@app.workflow
async def both(item: str) -> None:
    await take(item)
    await reserve(item)
""",
        check="""
Base.metadata.create_all(engine)
await (await torpor.start(both, "a kettle")).result()
with sessionmaker(engine)() as session:
    assert session.get(Taken, "a kettle") is not None
assert Reservation.objects.id > 0
engine.dispose()
assert f"step//./{name}.py//give_back" in app.step_names()  # asyncpg has no server here
""",
        world="sqlite:///{django}",
    ),
    Presumes(
        "values.md",
        "class Account",
        before=_APP,
        behind="""
@app.step
async def owner(account: Account) -> str:
    return account.owner

@app.workflow
async def tells(account: Account) -> list[object]:
    return [await owner(account), account]
""",
        check="""
told, account = await (await torpor.start(tells, Account("Ada"))).result()
assert (told, account.owner) == ("Ada", "Ada")
""",
    ),
    Presumes(
        "values.md",
        "def migrate",
        before=_APP + "import torpor\nfrom dataclasses import dataclass",
        behind="""
@app.workflow
async def twice(money: Money) -> Money:
    return Money(2 * money.cents)
""",
        check="""
assert await (await torpor.start(twice, Money(21))).result() == Money(42)
assert Money(**migrate({"euros": 3}, 1)) == Money(300)
""",
    ),
    Presumes(
        "values.md",
        "torpor.register",
        before=_APP
        + """
import torpor

class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y
""",
        behind="""
@app.workflow
async def turned(vector: Vector) -> Vector:
    return Vector(-vector.y, vector.x)
""",
        check="""
found = await (await torpor.start(turned, Vector(1, 2))).result()
assert (found.x, found.y) == (-2, 1)
""",
    ),
    Presumes(
        "webhooks.md",
        "createWebhook",
        before="""import { createWebhook } from "workflow";
export async function sign() {
  "use workflow";
""",
        behind="}",
        beside=_APP + 'app.workflows("{name}.js")',
        check="""
import httpx
run = await torpor.start("sign")
token = (await run.waiting_for(hook=True)).name
async with httpx.AsyncClient(transport=httpx.ASGITransport(app.asgi()), base_url="http://shop") as http:
    answer = await http.post(f"/.well-known/workflow/v1/webhook/{token}", json={"name": "Ada"})
assert answer.json() == {"signed": "Ada"}
""",
    ),
    Presumes(
        "webhooks.md",
        'verify="github"',
        before=_APP + "from torpor import webhook",
        within="@app.workflow\nasync def hear() -> str:",
        instead={"...": "return push.text()"},
        check="""
import hashlib, hmac, os
import httpx
os.environ["GITHUB_SECRET"] = "s"
run = await torpor.start(hear)
await run.waiting_for(hook="pushes")
async with httpx.AsyncClient(transport=httpx.ASGITransport(app.asgi()), base_url="http://shop") as http:
    url = "/.well-known/workflow/v1/webhook/pushes"
    assert (await http.post(url, content=b"forged")).status_code == 401
    signed = "sha256=" + hmac.new(b"s", b"pushed", hashlib.sha256).hexdigest()
    assert (await http.post(url, content=b"pushed", headers={"x-hub-signature-256": signed})).status_code == 202
del os.environ["GITHUB_SECRET"]
assert await run.result() == "pushed"
""",
    ),
]

PRESUMED = [*AGENTS, *PAGES]
