"""Applications start runs and write to them inside transactions of their own, and wait for them outside."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.django_database import django_connection, django_file
from tests.engine.mailbox.application import app, both
from tests.engine.support import TIMEOUT
from tests.postgres_server import server_url
from torpor import Client, RunNotFoundError, SyncTorpor, TransactionError, UsageError


def test_blocking_calls_use_a_connection_in_the_thread_that_it_belongs_to(tmp_path: Path) -> None:
    """Which is the caller's, while the application lives on an event loop in another one."""
    file = tmp_path / "shop.db"
    with SyncTorpor(app.on(f"sqlite:///{file}"), worker=True) as torpor:
        db = sqlite3.connect(file)
        with db:
            db.execute("CREATE TABLE orders (name TEXT)")
            db.execute("INSERT INTO orders VALUES ('kettle')")
            run = torpor.start(both, "blocking", connection=db)
            run.send("work", 1, connection=db)
            torpor.send(run, "work", 2, connection=db)
        torpor.resume_hook("blocking", "soon", wait="1m")
        assert run.result(timeout=TIMEOUT) == ["soon", 1, 2]
        db.close()


def test_django_begins_runs() -> None:
    """Inside of a block that is atomic, and nowhere else; one that is rolled back begins none."""
    file, django = django_file(), django_connection()
    from django.db import transaction  # noqa: PLC0415  # once it is set up

    with SyncTorpor(app.on(f"sqlite:///{file}"), worker=True) as torpor:
        with pytest.raises(TransactionError, match="atomic"):
            torpor.start(both, "outside", connection=django)
        with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012  # as views do
            undone = torpor.start(both, "undone", connection=django)
            raise ZeroDivisionError
        with pytest.raises(RunNotFoundError):
            undone.info()
        with transaction.atomic():
            run = torpor.start(both, "django", connection=django)
        torpor.resume_hook("django", "now", wait="1m")
        with transaction.atomic():
            run.send("work", 1, connection=django)
            run.send("work", 2, connection=django)
        assert run.result(timeout=TIMEOUT) == ["now", 1, 2]
    django.close()


async def test_a_worker_wakes_when_a_transaction_is_committed() -> None:
    """On Postgres, where it is told at once; programs that the world lacks are stored with the run."""
    psycopg = pytest.importorskip("psycopg")
    server = server_url()
    async with app.on(server) as opened, opened.worker():
        async with await psycopg.AsyncConnection.connect(server) as db:
            run = await opened.start(both, "postgres", run_id="of-a-transaction", connection=db)
            with pytest.raises(RunNotFoundError):
                await run.info()
        await opened.resume_hook("postgres", "now", wait="1m")
        async with await psycopg.AsyncConnection.connect(server) as db:
            for number in (1, 2):
                await opened.send(run, "work", number, connection=db)
        assert await run.result(timeout=TIMEOUT) == ["now", 1, 2]


async def test_a_client_without_the_code_starts_inside_a_transaction(tmp_path: Path) -> None:
    """By name, as a deployment says; it waits for no hook while the transaction is open."""
    file = tmp_path / "shop.db"
    async with app.on(f"sqlite:///{file}") as opened, opened.worker():
        client = Client(opened.world)
        db = sqlite3.connect(file)
        with db:
            run = await client.start("both", "client", connection=db)
            with pytest.raises(UsageError, match="keep the transaction"):
                await client.resume_hook("client", "now", wait="1m", connection=db)
        await client.resume_hook("client", "now", wait="1m")
        with db:
            for number in (1, 2):
                await client.send(run, "work", number, connection=db)
        assert await run.result(timeout=TIMEOUT) == ["now", 1, 2]
        db.close()
