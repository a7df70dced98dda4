"""Upstream's own workflow files, built by upstream, run as npm brings them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.harness.npm import NpmError
from tests.sdk.fetched import FETCHED, make_fetched
from tests.sdk.installed import require_node
from tests.sdk.setting import setting

pytestmark = [pytest.mark.network, pytest.mark.long]


async def test_fetched_workflows_pass(tmp_path: Path) -> None:
    """By an SDK of another version than that of the cases, which wants a world of its own version."""
    require_node()
    try:
        project = make_fetched(tmp_path / "fetched")
    except NpmError as error:
        pytest.skip(str(error))
    async with setting(project, "memory://", "snapshot") as to:
        outcomes = await asyncio.gather(*(case(to) for case in FETCHED.values()), return_exceptions=True)
    failed = {name: outcome for name, outcome in zip(FETCHED, outcomes, strict=True) if outcome is not None}
    assert not failed, "\n".join(f"{name}: {outcome!r}" for name, outcome in failed.items())
