"""``torpor keys …``, and what the other commands show of encrypted runs."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Torpor
from tests.cli.project import WORLD, fresh_imports, write_project
from torpor import Torpor as Application
from torpor.cli import app as command_line
from torpor.cli.loading import load_app, parse_target
from torpor.codec.crypto.keys import SETTING, Keyring, generate, key_text

K1, K2 = generate(), generate()
ONE, BOTH = Keyring([K1]), Keyring([K2, K1])
NOW, LATER = key_text(K1), f"{key_text(K2)},{key_text(K1)}"
HIDDEN = f"encrypted (key {ONE.current})"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test gives counts."""
    monkeypatch.delenv(SETTING, raising=False)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A project with encrypted runs, to be copied, and their ids."""
    folder = tmp_path_factory.mktemp("encrypted")
    write_project(folder)

    async def live(app: Application) -> list[str]:
        async with app, app.worker() as worker:
            done = await app.start("addTen", 113)
            failed = await app.start("failing")
            parked = await app.start("approval", "approval-o-1")
            await done.result(timeout=30)
            await asyncio.wait_for(app.client.wait_ended(failed.id), 30)
            cancelled = await app.start("forgets")
            await cancelled.cancel("nobody needs it", force=True)
            while not any(entry.text == "waiting for approval" for entry in await parked.logs()):
                await worker.wait_idle(timeout=30)
                await asyncio.sleep(0.01)
        return [done.id, failed.id, parked.id, cancelled.id]

    with fresh_imports():
        app = load_app(parse_target(str(folder / "app.py")))
        return folder, asyncio.run(live(app.on(f"sqlite:///{folder}/torpor.db", keys=NOW)))


@pytest.fixture
def encrypted(lived: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of encrypted runs in the working folder's world: completed, failed, parked at a hook, cancelled."""
    folder = tmp_path / "encrypted"
    shutil.copytree(lived[0], folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    return lived[1]


def test_a_generated_key_is_a_setting(torpor: Torpor) -> None:
    """One line that can be appended to an environment file, and another key each time."""
    lines = [torpor("keys", "generate").stdout for _ in range(2)]

    assert lines[0] != lines[1]
    for line in lines:
        name, _, text = line.removesuffix("\n").partition("=")
        assert name == SETTING
        assert len(Keyring.parse(text).ids) == 1


def test_rotation_puts_a_new_key_first(torpor: Torpor) -> None:
    """The present ones stay behind it, in their order; what to do is told beside the setting."""
    result = torpor("keys", "rotate", **{SETTING: LATER})

    ring = Keyring.parse(result.stdout.strip().removeprefix(f"{SETTING}="))
    assert ring.ids[1:] == BOTH.ids
    assert ring.ids[0] not in BOTH.ids
    assert "give this value to every worker and client" in result.stderr


def test_rotation_reads_a_pipe(torpor: Torpor) -> None:
    """A setting from a secret store need not pass through the environment, and never through arguments."""
    result = CliRunner().invoke(command_line, ["keys", "rotate", "-"], input=f"{SETTING}={NOW}\n")

    assert Keyring.parse(result.stdout.strip().removeprefix(f"{SETTING}=")).ids[1:] == ONE.ids
    refused = torpor("keys", "rotate", NOW)
    assert refused.exit_code == 2
    assert NOW not in refused.stderr


def test_without_keys_there_is_nothing_to_rotate(torpor: Torpor) -> None:
    """The message names the command that makes the first key."""
    result = torpor("keys", "rotate")

    assert result.exit_code == 2
    assert "torpor keys generate" in result.stderr


@pytest.mark.usefixtures("encrypted")
def test_keys_are_listed_without_secrets(torpor: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is current, which are older, which are missing, and how many runs use each."""
    counts = {"unfinished": 1, "ended": 3}
    assert torpor.json("keys", "list") == [{"id": ONE.current, "state": "missing", **counts}]
    monkeypatch.setenv(SETTING, LATER)
    assert torpor.json("keys", "list") == [
        {"id": BOTH.current, "state": "current", "unfinished": 0, "ended": 0},
        {"id": ONE.current, "state": "older", **counts},
    ]
    text = torpor.ok("keys", "list")
    assert re.search(rf"^{ONE.current} +older +1 +3$", text, re.MULTILINE)
    assert NOW.partition(":")[2] not in text


@pytest.mark.usefixtures("runs")
def test_no_keys_are_told(torpor: Torpor) -> None:
    """In a world without encrypted runs."""
    result = torpor("keys", "list")

    assert result.stdout == ""
    assert "what runs store is plain" in result.stderr


def test_runs_stay_listable(torpor: Torpor, encrypted: list[str]) -> None:
    """Without any key names, times and states are there, and what is encrypted says so."""
    listed = {run["id"]: run for run in torpor.json("runs")}

    done, failed, parked, cancelled = (listed[run_id] for run_id in encrypted)
    assert [run["status"] for run in (done, failed, parked, cancelled)] == [
        "completed", "failed", "running", "cancelled",
    ]  # fmt: skip
    assert done["name"] == "addTen"
    assert done["key"] == ONE.current
    assert done["input"] == done["output"] == failed["error"] == cancelled["cancel_reason"] == HIDDEN
    assert failed["error_code"] == "USER_ERROR"
    assert parked["output"] is None
    assert "addTen" in torpor.ok("runs")


def test_inspect_hides_and_decrypts(torpor: Torpor, encrypted: list[str]) -> None:
    """Steps, hooks, log lines and errors are told; what they say only with --decrypt and the key."""
    done, failed, parked, cancelled = encrypted

    hidden = torpor.ok("inspect", done)
    assert HIDDEN in hidden
    assert ONE.current in hidden
    assert not re.search(r"\b113\b(?! ms)", hidden)
    assert "adding to" not in hidden
    assert torpor.json("inspect", parked)["hooks"][0]["token"] == "approval-o-1"
    assert torpor.json("inspect", parked)["hooks"][0]["metadata"] == HIDDEN
    assert HIDDEN in torpor.ok("inspect", failed)
    assert HIDDEN in torpor.ok("inspect", done, "--logs")

    shown = torpor.ok("inspect", done, "--decrypt", **{SETTING: LATER})
    assert "adding to 113" in shown
    assert "add(113, 2)" in shown
    assert HIDDEN not in shown
    assert "the order cannot be placed" in torpor.ok("inspect", failed, "--decrypt", **{SETTING: NOW})
    assert "nobody needs it" in torpor.ok("inspect", cancelled, "--decrypt", **{SETTING: NOW})
    assert "the bank is closed" in torpor.ok("inspect", parked, "--events", "--decrypt", **{SETTING: NOW})


def test_keys_alone_show_nothing(torpor: Torpor, encrypted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is encrypted is shown when somebody asks for it, not when a key happens to be there."""
    monkeypatch.setenv(SETTING, NOW)
    assert HIDDEN in torpor.ok("inspect", encrypted[0])
    assert torpor.json("runs")[-1]["input"] == HIDDEN
    assert json.loads(torpor.ok("runs", "--json", "--decrypt"))[-1]["input"] == [113]


def test_decrypting_without_the_key_names_it(torpor: Torpor, encrypted: list[str]) -> None:
    """One line that says which key is missing and where it belongs."""
    result = torpor("inspect", encrypted[0], "--decrypt")

    assert result.exit_code == 2
    assert re.fullmatch(rf"error\[KEY_MISSING\]: .*{ONE.current}.*{SETTING}.*\n", result.stderr)


def test_the_stack_of_an_encrypted_run_is_asked_for(torpor: Torpor, encrypted: list[str]) -> None:
    """Its variables are what encryption hides."""
    refused = torpor("inspect", encrypted[2], "--stack", **{SETTING: NOW})

    assert refused.exit_code == 2
    assert "--decrypt shows them" in refused.stderr


def test_a_prompt_in_an_encrypted_run_is_asked_for(
    torpor: Torpor, encrypted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows the same variables."""
    refused = torpor("repl", encrypted[2], **{SETTING: NOW})

    assert refused.exit_code == 2
    assert "--decrypt shows them" in refused.stderr
    monkeypatch.setenv(SETTING, NOW)
    opened = CliRunner().invoke(command_line, ["--world", WORLD, "repl", encrypted[2], "--decrypt"], input="1 + 1\n")
    assert opened.stdout.splitlines() == ["2"]
    monkeypatch.delenv(SETTING)
    assert "KEY_MISSING" in torpor("repl", encrypted[2], "--decrypt").stderr


def test_a_hook_is_resumed_without_the_key(torpor: Torpor, encrypted: list[str]) -> None:
    """The payload is encrypted to the run; with the key it is seen to have arrived."""
    assert torpor.ok("resume", "approval-o-1", '{"approved": true}').strip() == encrypted[2]

    found = json.loads(torpor.ok("inspect", encrypted[2], "--json", "--decrypt", **{SETTING: NOW}))
    assert found["hooks"][0]["received"][0]["payload"] == {"approved": True}


def test_doctor_tells_whether_data_is_plain(torpor: Torpor, encrypted: list[str]) -> None:
    """Encryption off is a note; a key that unfinished runs wait for is a failure."""
    missing = torpor("doctor", "--world", WORLD, "--json")
    assert missing.exit_code == 1
    found = json.loads(missing.stdout)["checks"]
    assert found["encryption"]["status"] == "note"
    assert "what runs store is plain" in found["encryption"]["text"]
    assert found["keys"]["missing"] == {ONE.current: 1}

    found = json.loads(torpor.ok("doctor", "--json", **{SETTING: LATER}))["checks"]
    assert found["encryption"]["current"] == BOTH.current
    assert "1 older key" in found["encryption"]["text"]
    assert found["keys"]["status"] == "ok"
    assert len(encrypted) == 4


def test_a_wrong_setting_is_one_line(torpor: Torpor, encrypted: list[str]) -> None:
    """Every command that needs the keys refuses it at once, without showing it."""
    result = torpor("inspect", encrypted[0], **{SETTING: "k1234567890:" + NOW.partition(":")[2]})

    assert result.exit_code == 2
    assert "entry 1 is called k1234567890" in result.stderr
    assert NOW.partition(":")[2] not in result.stderr


@pytest.mark.usefixtures("encrypted")
def test_a_named_application_brings_its_keys(torpor: Torpor) -> None:
    """Also when --world names the world; TORPOR_KEYS is not needed then."""
    source = Path("app.py").read_text()
    Path("app.py").write_text(source.replace("Torpor()", f"Torpor(keys={NOW!r})"))
    assert Path("app.py").read_text() != source

    assert torpor.json("keys", "list", "--app", "app.py", "--world", WORLD)[0]["state"] == "current"
    assert torpor.json("keys", "list", "--world", WORLD)[0]["state"] == "missing"
