"""The order demo as users run it, made short."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from examples.orders.demo import clear_folder

ROOT = Path(__file__).parents[2]

PATIENCE_SECONDS = 110
"""The demo takes a few, but the first one on a machine compiles CPython."""


def demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo."""
    command = [sys.executable, "-m", "examples.orders.demo", "--folder", str(folder), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def processes_with(folder: Path) -> list[psutil.Process]:
    """Return the processes that were told to work in this folder, by their environment or arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(folder) in each for each in told):
            found.append(process)
    return found


def test_every_order_is_charged_once_though_the_worker_is_killed(tmp_path: Path) -> None:
    """
    Eight orders, by turns in Python and in JavaScript, outlive the SIGKILL of their worker; no process is left behind.
    """
    with demo(tmp_path / "demo", "--orders", "8", "--kills", "1") as process:
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, printed
    assert "killed (SIGKILL)" in printed
    assert "Every order was charged exactly once" in printed
    assert processes_with(tmp_path / "demo") == []


def test_interrupted_demo_leaves_no_process(tmp_path: Path) -> None:
    """
    Ctrl-C ends the payment service and the worker too.
    """
    with demo(tmp_path / "demo", "--orders", "40", "--kills", "0") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "runs were started" in line:
                break
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    assert len(children) == 2
    assert process.returncode == 130
    assert processes_with(tmp_path / "demo") == []


def test_demo_deletes_only_what_a_demo_made(tmp_path: Path) -> None:
    """
    A folder that holds something else is refused and left alone.
    """
    (tmp_path / "letter.txt").write_text("keep me")

    with demo(tmp_path) as process:
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "name another --folder" in printed.replace("\n", " ")
    assert (tmp_path / "letter.txt").exists()


def test_folder_of_a_former_demo_is_made_anew(tmp_path: Path) -> None:
    """
    What a demo left behind, however early it ended, is gone when the next one begins.
    """
    folder = clear_folder(tmp_path / "demo")
    (folder / "torpor.db").touch()

    assert clear_folder(folder) == folder
    assert not (folder / "torpor.db").exists()
