"""What docs/containers.md shows is what the system's own tools take, and fits what workers do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.codec.node import from_pypi
from torpor import WorkerSettings
from torpor.cli.bounds import size_of

PAGE = Path(__file__).parents[2] / "docs" / "containers.md"
VALIDATE = "kubernetes-validate==1.37.0"
"""Has the schemas of Kubernetes; too large to be there for every other test."""

KUBERNETES = ("1.25", "1.37")
"""The oldest and the newest version whose schema it has."""

LATER_SECONDS = 10
"""How long behind the grace period a process that does not end is killed; see docs/deploying.md."""


def block(language: str) -> str:
    """Return the one block of the page that is in a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """But for its user and programs, which are not on this machine; a word that it does not know fails."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    text = block("ini").replace("User=shop", "User=root")
    text = re.sub(r"/srv/shop/.venv/bin/torpor", shutil.which("true") or "/bin/true", text)
    text = text.replace("WorkingDirectory=/srv/shop", "WorkingDirectory=/")
    unit = tmp_path / "shop.service"
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "shop.service" in line]
    assert complaints == []
    [stop] = re.findall(r"TimeoutStopSec=(\d+)", text)
    assert int(stop) > WorkerSettings().grace_seconds + LATER_SECONDS
    [files] = re.findall(r"LimitNOFILE=(\d+)", text)
    assert int(files) >= WorkerSettings().descriptors


def _said(text: str, name: str) -> list[str]:
    """Return what a document says of a name, wherever."""
    return re.findall(rf"\b{name}: ?([^\n{{}},]+)", text)


def test_the_deployment_fits_a_worker() -> None:
    """It gives workers the time to stop and the memory that they may have, and nothing that they do not need."""
    text = block("yaml")
    assert _said(text, "apiVersion") == ["apps/v1"]
    assert len(set(_said(text, "app"))) == 1
    [grace] = _said(text, "terminationGracePeriodSeconds")
    assert int(grace) > WorkerSettings().grace_seconds + LATER_SECONDS
    [(processes, ceiling)] = re.findall(r'--processes, "(\d+)", --memory, (\w+)', text)
    _, limit = _said(text, "memory")
    assert int(processes) * size_of(ceiling) < size_of(limit)
    assert _said(text, "runAsNonRoot") == _said(text, "readOnlyRootFilesystem") == ["true"]


@pytest.mark.long
@pytest.mark.network
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_the_deployment(version: str, tmp_path: Path) -> None:
    """By the schema of a version, in which a word that it does not know is an error, as the last of these shows."""
    found = from_pypi(VALIDATE, "kubernetes_validate/__main__.py")
    if found is None:
        pytest.skip(f"pip has no {VALIDATE} for this machine")
    text = block("yaml")
    checked = {name: tmp_path / f"{name}.yaml" for name in ("shown", "misspelt")}
    checked["shown"].write_text(text, "utf-8")
    checked["misspelt"].write_text(text.replace("readOnlyRootFilesystem", "readonlyRootFilesystem"), "utf-8")

    def told(path: Path) -> str:
        command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", version, str(path)]
        environment = {**os.environ, "PYTHONPATH": str(found)}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.stdout

    assert f"passed for resource deployment/shop-workers against version {version}" in told(checked["shown"])
    assert "'readonlyRootFilesystem' was unexpected" in told(checked["misspelt"])


def test_a_worker_needs_no_file_system_that_it_may_write_to(tmp_path: Path) -> None:
    """With the arguments of the deployment, where all but the folder of the database is read-only; it ends in order."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("it takes root, and a namespace of mounts, to make a file system read-only")
    [arguments] = re.findall(r"args: \[(worker, .*)\]", block("yaml"))
    worker = arguments.replace(",", "").replace('"2"', "1")
    home, data = tmp_path / "shop", tmp_path / "data"
    run("init", str(home))
    data.mkdir()
    torpor = f"{sys.executable} -m torpor.cli"
    script = f"""
set -e
mount --make-rprivate /
mount --bind {data} {data}
mount -o remount,ro,bind /
if touch {home}/new; then exit 9; fi
{torpor} {worker} & worker=$!
trap 'kill $worker 2>/dev/null || :' EXIT
{torpor} start checkout o-1 4200 --run-id o-1
{torpor} resume approve:o-1 yes --wait 60s
{torpor} start checkout o-1 4200 --run-id o-1 --wait
kill $worker
wait $worker
"""
    environment = {**os.environ, "TORPOR_WORLD": f"sqlite:///{data}/shop.db", "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["unshare", "-m", "sh", "-c", script]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"receipt-o-1"' in done.stdout.splitlines()


def run(*arguments: str) -> None:
    """Run a command of ours, which must succeed."""
    subprocess.run([sys.executable, "-m", "torpor.cli", *arguments], capture_output=True, check=True)


def test_the_image_is_no_roots() -> None:
    """What is compiled is compiled by the user that runs it, and nothing behind that is root's."""
    lines = block("dockerfile").splitlines()
    user = lines.index("USER torpor")
    assert lines.index("RUN torpor warm") > user
    assert not any(line.startswith(("USER root", "RUN pip")) for line in lines[user:])
    assert _said(block("yaml"), "runAsUser") == re.findall(r"--uid (\d+)", "\n".join(lines))
