"""The pytest plugin and the unittest case, as whoever reads their reports sees them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import run_python

CONFTEST = """
import pytest
from tests.testing.application import app

@pytest.fixture
def torpor_app():
    return app
"""
HEAD = """
import pytest
from datetime import UTC, datetime
from tests.testing.application import app, buy, nap, pay
from torpor.testing import TestCase
"""
ROOT = Path(__file__).parent.parent.parent


def outcome_of(folder: Path, tests: str, *, runner: str = "pytest") -> subprocess.CompletedProcess[str]:
    """Run tests in a folder of their own."""
    path = f"import sys\nsys.path.append({str(ROOT)!r})\n"
    (folder / "conftest.py").write_text(path + CONFTEST)
    (folder / "test_it.py").write_text(path + HEAD + tests)
    arguments = {"pytest": ("-q", "-p", "no:asyncio", "test_it.py"), "unittest": ("test_it",)}
    return run_python(folder, "-m", runner, *arguments[runner])


def test_the_report_of_a_failed_test_has_what_its_runs_did(tmp_path: Path) -> None:
    """Timeline, what a run waits for, stack and variables; of a run that failed its error."""
    done = outcome_of(
        tmp_path,
        """
async def test_wrong(torpor):
    run = await torpor.start(buy, "o-1")
    await run.waiting_for(hook=True)
    torpor.fail(pay, 9, ConnectionError("bank is down"))
    broken = await torpor.start(buy, "o-2")
    assert await broken.result() == "bought"
""",
    )
    told = done.stdout
    assert "Captured torpor call" in told
    assert "(buy) is running" in told
    assert "waits for hook approve-o-1" in told
    assert "receipt = 'really paid 42'" in told
    assert "(buy) is failed" in told
    assert "ConnectionError: bank is down" in told


def test_a_wait_in_vain_is_told_once(tmp_path: Path) -> None:
    """The error has the run's story, so the report does not repeat it."""
    done = outcome_of(
        tmp_path,
        """
@pytest.mark.torpor(timeout=0.3)
async def test_hangs(torpor):
    torpor.hold(pay)
    await (await torpor.start(buy, "o-1")).result()
""",
    )
    assert "it has not ended, 0.3 s after" in done.stdout
    assert done.stdout.count("(buy) is ") == 1  # running, or pending on a machine that is busy


def test_markers_say_how_the_testbed_is_made(tmp_path: Path) -> None:
    """The closest one counts, and all are known to --strict-markers."""
    done = outcome_of(
        tmp_path,
        """
pytestmark = pytest.mark.torpor(runtime="snapshot", now=datetime(2026, 1, 1, tzinfo=UTC))

@pytest.mark.torpor(runtime="replay")
async def test_both(torpor):
    run = await torpor.start(nap, "I")
    assert (await run.info()).runtime == "replay"
    assert torpor.now() == datetime(2026, 1, 1, tzinfo=UTC)
""",
    )
    assert "1 passed" in done.stdout, done.stdout


def test_a_test_that_is_not_async_is_told_so(tmp_path: Path) -> None:
    """It has no event loop to open the testbed in."""
    done = outcome_of(tmp_path, "def test_plain(torpor):\n    pass\n")
    assert "test_plain has the fixture `torpor`, which needs an event loop; make it `async def`" in done.stdout


def test_a_fixture_of_that_name_may_be_anothers(tmp_path: Path) -> None:
    """It is left alone, in a test that is not async too."""
    done = outcome_of(
        tmp_path,
        """
class TestAnother:
    @pytest.fixture
    def torpor(self):
        return "a cold-blooded animal's winter"

    def test_it(self, torpor):
        assert torpor.startswith("a cold")

async def test_ours(torpor):
    assert await (await torpor.start(nap, "I")).result() == "I slept"

class TestAgain(TestAnother):
    pass
""",
    )
    assert "3 passed" in done.stdout, done.stdout


def test_a_class_of_tests_and_other_fixtures(tmp_path: Path) -> None:
    """Methods with parameters and further fixtures run as functions do."""
    done = outcome_of(
        tmp_path,
        """
class TestNaps:
    @pytest.mark.parametrize("who", ["I", "you"])
    async def test_nap(self, torpor, who, tmp_path):
        assert await (await torpor.start(nap, who)).result() == f"{who} slept"
""",
    )
    assert "2 passed" in done.stdout, done.stdout


def test_unittest_reports_what_runs_did(tmp_path: Path) -> None:
    """Its failure has the story as a note."""
    done = outcome_of(
        tmp_path,
        """
class TestShop(TestCase):
    app = app

    async def test_wrong(self):
        run = await self.torpor.start(nap, "I")
        self.assertEqual(await run.result(), "awake")
""",
        runner="unittest",
    )
    assert "FAILED (failures=1)" in done.stderr
    assert "(nap) is completed after 30d" in done.stderr


@pytest.mark.parametrize("module", ["torpor.testing", "torpor.testing.plugin"])
def test_the_plugin_imports_nothing_of_torpor(tmp_path: Path, module: str) -> None:
    """Whoever has Torpor installed and tests something else pays for two small files."""
    code = f"import sys, pytest, {module}; print(sorted(name for name in sys.modules if name.startswith('torpor')))"
    printed = run_python(tmp_path, "-c", code).stdout
    assert set(eval(printed)) <= {"torpor", "torpor.testing", "torpor.testing.plugin"}  # noqa: S307  # a list of names
