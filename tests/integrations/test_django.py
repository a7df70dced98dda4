"""Torpor in Django: settings, the command, and how it is opened where servers tell little."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.django_database import django_file
from tests.integrations.django_site import app
from torpor.app import Message
from torpor.errors import ConfigurationError

django_file()  # or skip

from torpor.integrations import django as torpor_django  # noqa: E402  # where Django is set up
from torpor.integrations.django.apps import check_settings  # noqa: E402

SITE = "tests.integrations.django_site"
MANAGE = """
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
settings.configure(INSTALLED_APPS=["torpor.integrations.django"], TORPOR={"APP": "shop:app", **%s})
execute_from_command_line(sys.argv)
"""


@pytest.fixture
def named() -> Iterator[Any]:
    """A function that sets what the settings say."""
    from django.test import override_settings  # noqa: PLC0415  # once it is set up

    changed: list[Any] = []

    def change(**given: Any) -> None:
        changed.append(override_settings(TORPOR=given))
        changed[-1].enable()

    yield change
    for each in changed:
        each.disable()
    torpor_django._mounted.cache_clear()
    torpor_django._alone.cache_clear()
    app.url = ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, r"no application is named: say TORPOR = "),
        ({"APP": "nowhere:app"}, r"TORPOR\['APP'\] is 'nowhere:app', which cannot be had: No module named 'nowhere'"),
        ({"APP": f"{SITE}:no_app"}, r"which is no Torpor\(…\)"),
        ({"APP": f"{SITE}:app", "WORKERS": 1}, r"TORPOR has \['WORKERS'\], which is unknown; it takes APP, PREFIX"),
    ],
)
def test_settings_that_are_wrong_are_told(named: Any, given: dict[str, Any], told: str) -> None:
    """By `manage.py check`, and by whatever needs them."""
    named(**given)
    (error,) = check_settings()
    assert error.id == "torpor.E001"
    with pytest.raises(ConfigurationError, match=told):
        torpor_django.configured_app()


def test_what_is_right_is_no_matter(named: Any) -> None:
    """And scripts use the application by blocking calls."""
    named(APP=f"{SITE}.app", PREFIX="/flows", WORKER=True)
    assert check_settings() == []
    front = torpor_django.sync_torpor()
    assert front.list_runs() == []
    assert torpor_django.sync_torpor() is front
    assert torpor_django._mounted().mount.loop is None, "a script does not work on runs"
    torpor_django._alone().close()


async def host(scope: Message, _receive: Any, send: Any) -> None:
    """Answer as Django does not: with what thread and loop tell."""
    runs = await asyncio.to_thread(lambda: torpor_django.sync_torpor().list_runs())
    same = torpor_django.current_torpor() is app
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{scope['path']} {runs} {same}".encode()})


async def test_a_server_without_a_lifespan_opens_it_by_the_first_request(named: Any) -> None:
    """As Daphne does; views in threads and on the loop have the same application."""
    named(APP=f"{SITE}:app")
    site = torpor_django.asgi(host)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://shop.example") as http:
        assert (await http.get("/orders")).text == "/orders [] True"
        assert (await http.get("/torpor/ready")).json() == {"status": "ok"}
    await torpor_django._mounted().mount.close()


@pytest.mark.parametrize("fails", [False, True])
async def test_it_lives_as_long_as_the_server(named: Any, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """Which is told what keeps it from beginning."""
    named(APP=f"{SITE}:app")
    site = torpor_django.asgi(host)
    if fails:
        monkeypatch.setattr(app, "open", _cannot)
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    told: list[Message] = []

    async def receive() -> Message:
        return next(asked)

    async def send(message: Message) -> None:
        told.append(message)
        assert (torpor_django._mounted().mount.loop is None) == (message["type"] != "lifespan.startup.complete")

    if fails:
        with pytest.raises(ConfigurationError):
            await site({"type": "lifespan"}, receive, send)
        assert told == [{"type": "lifespan.startup.failed", "message": "the world is gone"}]
    else:
        await site({"type": "lifespan"}, receive, send)
        assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def _cannot() -> None:
    raise ConfigurationError("the world is gone")


def test_the_command_works_until_told_to_stop(tmp_path: Path) -> None:
    """And SIGTERM ends it in peace; settings that are wrong end it at once."""
    (tmp_path / "shop.py").write_text("from torpor import Torpor\napp = Torpor('sqlite:///shop.db')\n")
    with _managed(tmp_path, "{}") as working:
        assert working.stdout is not None
        assert "made a new world" in working.stdout.readline()
        assert "is at work" in working.stdout.readline()
        working.send_signal(signal.SIGTERM)
        said, _ = working.communicate(timeout=60)
        assert (said, working.returncode) == ("stopped\n", 0)
    with _managed(tmp_path, "{'PORT': 1}") as refused:
        said, _ = refused.communicate(timeout=60)
        assert "TORPOR has ['PORT'], which is unknown" in said
        assert refused.returncode == 1


def _managed(folder: Path, more: str) -> subprocess.Popen[str]:
    (folder / "manage.py").write_text(MANAGE % more)
    env = {name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")}
    return subprocess.Popen(
        [sys.executable, "manage.py", "torpor_worker"],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
