"""The cases of the SDK's own end-to-end suite, each in both runtimes, on SQLite."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.sdk.installed import VERSIONS, make_project
from tests.sdk.newest import CASES, LEFT_OUT, NEWER
from tests.sdk.setting import setting
from torpor.model import Runtime

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project of the cases, with version 5 of the SDK."""
    return make_project(tmp_path_factory.mktemp("sdk") / "project", VERSIONS["5"])


@pytest.mark.parametrize("runtime", ["snapshot", pytest.param("replay", marks=pytest.mark.long)])
async def test_cases_of_the_sdk_pass(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    """Every case that is about workflows passes, in each runtime; they run beside one another."""
    monkeypatch.setenv("SDK_CASE_ALLOWED", "yes")
    monkeypatch.setenv("SDK_CASE_HIDDEN", "no")
    async with setting(project, f"sqlite:///{tmp_path}/cases.db", runtime) as to:
        names = list(CASES)
        outcomes = await asyncio.gather(*(CASES[name](to) for name in names), return_exceptions=True)
    failed = {name: outcome for name, outcome in zip(names, outcomes, strict=True) if outcome is not None}
    assert not failed, "\n".join(f"{name}: {outcome!r}" for name, outcome in failed.items())


def test_what_is_left_out_is_no_case() -> None:
    """A case is either run or left out, with a reason."""
    assert not set(CASES) & set(LEFT_OUT)
    assert set(NEWER) <= set(CASES)
    assert all(LEFT_OUT.values())
