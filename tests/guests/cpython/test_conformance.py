"""The job that runs CPython's tests in the guest, on a few tests of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.driver import Outcome, outcomes
from conformance.expected import FOLDER, REASONS, expected, verdict, write
from conformance.modules import ALL
from conformance.testsuite import FetchError, cpython_tests
from torpor.guests.cpython import CPython
from torpor.limits import MIB
from torpor.vm.limits import Limits

FILES = {
    "__init__.py": "",
    "support/__init__.py": "",
    "support/os_helper.py": "",
    "helper.py": "ONE = 1\n",
    "test_small.py": """
import asyncio, contextvars, time, unittest
from test.helper import ONE

class Plain(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.ready = True
    def test_passes(self): self.assertTrue(self.ready)
    def test_fails(self): self.assertEqual(ONE, 2)
    @unittest.skip("no need")
    def test_skipped(self): raise ValueError
    @unittest.expectedFailure
    def test_is_to_fail(self): self.fail()
    def test_spins(self):
        while True: pass
    def test_loop_of_its_own(self):
        async def main():
            await asyncio.sleep(3600)
            return asyncio.get_running_loop().time()
        self.assertEqual(asyncio.run(main()), 3600)
    def test_z_comes_after_the_end_of_a_vm(self): pass

VAR = contextvars.ContextVar("var")

class Awaited(unittest.IsolatedAsyncioTestCase):
    def setUp(self): VAR.set(1)
    async def asyncSetUp(self): self.addAsyncCleanup(asyncio.sleep, 1)
    async def test_sleeps(self):
        begun = time.monotonic()
        await asyncio.sleep(3600)
        self.assertEqual(time.monotonic() - begun, 3600)
        self.assertEqual(VAR.get(), 1)
    async def test_fails(self):
        await asyncio.sleep(1)
        self.fail("late")
    async def test_waits_for_ever(self): await asyncio.Event().wait()
""",
    "test_broken.py": "import test.helper, nothing_like_it\n",
}


@pytest.fixture(scope="module")
def guest() -> Iterator[CPython]:
    """A guest with little time."""
    guest = CPython(limits=Limits(memory_bytes=128 * MIB, cpu_seconds=1), pool_size=1)
    yield guest
    guest.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a package ``test``."""
    for name, text in FILES.items():
        path = tmp_path / "test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def test_what_becomes_of_tests(guest: CPython, folder: Path) -> None:
    """Those after one that ends its VM are run too; tests that sleep take no time."""
    found = {each.test.removeprefix("test.test_small."): each for each in outcomes(guest, folder, "test.test_small")}

    assert {name: each.outcome for name, each in found.items()} == {
        "Plain.test_passes": "passed",
        "Plain.test_fails": "failed",
        "Plain.test_skipped": "skipped",
        "Plain.test_is_to_fail": "passed",
        "Plain.test_spins": "ended",
        "Plain.test_loop_of_its_own": "passed",
        "Plain.test_z_comes_after_the_end_of_a_vm": "passed",
        "Awaited.test_sleeps": "passed",
        "Awaited.test_fails": "failed",
        "Awaited.test_waits_for_ever": "ended",
    }
    assert found["Plain.test_fails"].detail == "AssertionError: 1 != 2"
    assert found["Plain.test_spins"].detail.startswith("CpuLimitError: ")


def test_a_module_that_cannot_be_imported(guest: CPython, folder: Path) -> None:
    """It fails as a whole."""
    assert list(outcomes(guest, folder, "test.test_broken")) == [
        Outcome("test.test_broken.(module)", "failed", "ModuleNotFoundError: No module named 'nothing_like_it'")
    ]


def test_what_is_told() -> None:
    """New failures, failures that were expected and pass, and tests that are gone."""
    found = [Outcome("a", "passed"), Outcome("b", "failed"), Outcome("c", "ended"), Outcome("d", "skipped")]
    told = verdict({"a": "files", "c": "time", "e": "drift"}, found)

    assert told.new == [Outcome("b", "failed")]
    assert told.passed == ["a"]
    assert told.missing == ["e"]


def test_what_is_expected_is_written_down(tmp_path: Path) -> None:
    """With the reason that was known or that the failure tells; what has none stays unexpected."""
    (tmp_path / "m.txt").write_text("drift\n    A.known\n    A.passes_now\n", "utf-8")
    found = [
        Outcome("m.A.known", "failed", "AssertionError"),
        Outcome("m.A.threads", "failed", "NotInWorkflowError: threading.Thread cannot be used"),
        Outcome("m.A.odd", "failed", "AssertionError: 1 != 2"),
        Outcome("m.A.passes_now", "passed"),
    ]
    write("m", found, tmp_path)

    assert (tmp_path / "m.txt").read_text("utf-8") == "?\n    A.odd\ndrift\n    A.known\nthreads\n    A.threads\n"
    assert [each.test for each in verdict(expected("m", tmp_path), found).new] == ["m.A.odd"]


def test_the_list_is_sound() -> None:
    """Each file is of a module that is run, and each of its lines has a reason that is explained."""
    for path in FOLDER.glob("*.txt"):
        lines = path.read_text("utf-8").splitlines()
        assert path.stem in ALL
        assert {line for line in lines if not line.startswith(" ")} <= REASONS.keys(), path
        assert len(expected(path.stem)) == len({line for line in lines if line.startswith(" ")}), path


def test_a_folder_without_tests_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is missing, and what to do."""
    monkeypatch.setenv("TORPOR_CPYTHON_TESTS", str(tmp_path))

    with pytest.raises(FetchError, match=r"has no folder test/support; set TORPOR_CPYTHON_TESTS"):
        cpython_tests(tmp_path)
