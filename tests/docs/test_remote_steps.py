"""``docs/remote-steps.md``, followed in an empty directory."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cli.processes import Process
from tests.docs.pages import DOCS, write_files
from tests.docs.test_webhooks import PORT, shell
from torpor.engine.remote import ATTEMPT_SECONDS, SECRET, WAIT_SECONDS
from torpor.http.serving import listen
from torpor.signing import SIGNATURE, STEP_ID, TIMESTAMP

PAGE = "remote-steps.md"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_quick_start(tmp_path: Path) -> None:
    """The lines do what the page says; the port is one that is free."""
    with listen("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])
    plain = [text.replace(PORT, port) for kind, text in BLOCKS if kind in ("", "sh")]
    serve, ask, answers, by_hand, answer = plain[:5]
    write_files(PAGE, tmp_path)
    shop = tmp_path / "shop.py"
    shop.write_text(shop.read_text("utf-8").replace(PORT, port), "utf-8")
    export, command = serve.splitlines()
    secret = export.removeprefix(f"export {SECRET}=")
    with Process(tmp_path, *command.split()[1:], "--port", port, **{SECRET: secret}) as server:
        server.wait_line("serving ")
        assert shell(tmp_path, ask) == answers
        assert json.loads(shell(tmp_path, by_hand)) == json.loads(answer)


def test_what_is_told_is_so() -> None:
    """Headers and times."""
    assert all(f"`{name}`" in TEXT for name in (STEP_ID, TIMESTAMP, SIGNATURE))
    assert f"`wait={WAIT_SECONDS}`" in TEXT
    assert f"{ATTEMPT_SECONDS:g} seconds without it" in TEXT
