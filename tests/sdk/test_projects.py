"""Projects that cannot be built, bundles that are large, and the lines of authors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torpor import Torpor
from torpor.codec import pack_binary
from torpor.errors import ConfigurationError
from torpor.guests.quickjs import QuickJS
from torpor.programs.javascript.bundles import Bundle, bundle_program
from torpor.programs.javascript.sdk_project import NODE, SdkProject, node
from torpor.vm.guest import Begin

SNAPSHOT_BYTES_MAX = 15_000


def test_a_folder_without_a_package_is_no_project(tmp_path: Path) -> None:
    """It is told when the application names it."""
    with pytest.raises(ConfigurationError, match=r"it has no package\.json"):
        Torpor("memory://", root=tmp_path).sdk("web")


def test_a_project_without_the_sdk_says_what_to_install(tmp_path: Path) -> None:
    """The compiler is the project's own."""
    (tmp_path / "package.json").write_text("{}", "utf-8")
    with pytest.raises(ConfigurationError, match='has no package "workflow"; run `npm install workflow` there'):
        _ = SdkProject(tmp_path).built


def test_without_node_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has none cannot build the project."""
    monkeypatch.setenv(NODE, "/nowhere/node")
    with pytest.raises(ConfigurationError, match="there is no '/nowhere/node' here; install it, or say where it is"):
        node()


def test_an_old_node_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The SDK does not run on it either."""
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.19.0\n", "utf-8")
    old.chmod(0o755)
    monkeypatch.setenv(NODE, str(old))
    with pytest.raises(ConfigurationError, match=r"is Node v18\.19\.0; 20 is the oldest that will do"):
        node()


def test_the_state_of_a_project_is_that_of_its_files(tmp_path: Path) -> None:
    """A new file or another content is another state; what npm installs and caches is none of it."""
    (tmp_path / "package.json").write_text("{}", "utf-8")
    project = SdkProject(tmp_path)
    before = project._fingerprint()
    cached = tmp_path / "node_modules" / ".cache" / "torpor" / "x"
    cached.parent.mkdir(parents=True)
    cached.write_text("x", "utf-8")
    assert project._fingerprint() == before
    (tmp_path / "a.ts").write_text("1", "utf-8")
    assert project._fingerprint() != before


def test_a_large_bundle_is_no_part_of_snapshots() -> None:
    """A run of a bundle of 600 KB sleeps in less than 15 KB, as it is stored."""
    code = [
        "globalThis.__private_workflows = new Map();",
        *(f"function f{n}(a) {{ return {{ name: 'f{n}', a, text: {'x' * 180!r} }}; }}" for n in range(2700)),
        "async function sleeps(n) {",
        '  const twice = await globalThis[Symbol.for("WORKFLOW_USE_STEP")]("step//./a//twice")(n);',
        '  await globalThis[Symbol.for("WORKFLOW_SLEEP")]("1 day");',
        "  return twice;",
        "}",
        'globalThis.__private_workflows.set("workflow//./a//sleeps", sleeps);',
    ]
    text = "\n".join(code)
    assert len(text) > 600_000
    lines: list[tuple[int, int] | None] = [(0, n) for n in range(len(code))]
    bundle = Bundle("5", text, ["./a.ts"], lines, ["workflow//./a//sleeps"], ["step//./a//twice"])
    guest = QuickJS()
    vm = guest.lease(guest.load(bundle_program(bundle, env={}, steps={}, build=guest.build)))
    try:
        out = vm.begin(Begin("wrun_1", "workflow//./a//sleeps", "devl[[1],17]", bytes(32), 1_000))
        assert [(op.type, op.name) for op in out.ops] == [("step", "step//./a//twice")]
        assert json.loads((out.ops[0].input or "").removeprefix("devl")) == [{"args": 1}, [2], 17]
        assert len(pack_binary(vm.snapshot())) < SNAPSHOT_BYTES_MAX
    finally:
        vm.release()
        guest.close()
