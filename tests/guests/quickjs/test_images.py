"""A program that is impure at module scope is evaluated in every run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guests.quickjs.support import BOOTSTRAP, program, run_to_end
from tests.guests.support import NOW, SEED, answer, begin, result
from torpor.errors import GuestTrapError, SnapshotError
from torpor.guests.quickjs import QuickJS
from torpor.guests.quickjs import guest as guest_module
from torpor.guests.quickjs.boot import Booted

READS_CLOCK = """
import { step } from "workflow";
const started = Date.now();
export async function main() { await step("s")(); return [started, Date.now()]; }
"""
DRAWS = """
const id = crypto.randomUUID();
export async function main() { return id; }
"""


def test_a_pure_program_is_shared(js: QuickJS) -> None:
    """
    Reading the clock inside a workflow does not make a program impure.
    """
    assert js.load(program("export async function main() { return Date.now(); }")).per_run is None


def test_the_place_of_impurity_is_told(js: QuickJS) -> None:
    """
    The image names the line that read the clock.
    """
    assert js.load(program(READS_CLOCK)).per_run == "./main.js:3"


def test_an_impure_draw_is_noticed_even_without_a_place(js: QuickJS) -> None:
    """
    A draw that the bootstrap did not trace makes the program per run all the same.
    """
    assert js.load(program(DRAWS)).per_run == "./main.js"


def test_module_scope_has_the_clock_of_the_run(js: QuickJS) -> None:
    """
    Each run evaluates the module with its own time.
    """
    image = js.load(program(READS_CLOCK))
    for at in (NOW, NOW + 1000):
        vm = js.lease(image)
        begin(vm, "main", at=at)
        assert result(answer(vm, 1, None, at=at + 5)) == [at, at + 5]
        vm.release()


def test_module_scope_has_the_entropy_of_the_run(js: QuickJS) -> None:
    """
    Runs of different seeds have different values at module scope; the same seed has the same.
    """
    image = js.load(program(DRAWS))
    ids = []
    for seed in (SEED, SEED, bytes(32)):
        vm = js.lease(image)
        ids.append(result(begin(vm, "main", seed=seed)))
        vm.release()

    assert ids[0] == ids[1] != ids[2]


def test_a_run_of_an_impure_program_wakes_with_its_module_scope(js: QuickJS) -> None:
    """
    The snapshot of such a run holds what its module scope held.
    """
    source = program(READS_CLOCK)
    image = js.load(source)
    vm = js.lease(image)
    begin(vm, "main")
    snapshot = vm.snapshot()
    vm.release()

    revived = js.revive(image.to_bytes(), source)
    vm = js.lease(revived)
    vm.restore(snapshot, SEED)

    assert (revived.hash, revived.per_run) == (image.hash, image.per_run)
    assert result(answer(vm, 1, None, at=NOW + 7)) == [NOW, NOW + 7]
    vm.release()


def test_impure_programs_do_not_share_a_name(js: QuickJS) -> None:
    """
    A snapshot of one impure program is refused by another, though both start from the boot image.
    """
    one, other = js.load(program(READS_CLOCK)), js.load(program(READS_CLOCK + "// another"))
    vm = js.lease(one)
    begin(vm, "main")
    snapshot = vm.snapshot()
    vm.release()
    vm = js.lease(other)

    with pytest.raises(SnapshotError, match="belongs to image"):
        vm.restore(snapshot, SEED)
    vm.release()


def test_a_program_that_fails_to_load_only_in_a_run_ends_that_run(js: QuickJS) -> None:
    """
    Module scope that throws depending on the time is an error of the run it throws in.
    """
    source = f"""
    if (Date.now() > {NOW}) throw new Error("too late");
    export async function main() {{ return 1; }}"""
    image = js.load(program(source))
    vm = js.lease(image)
    assert result(begin(vm, "main", at=NOW)) == 1
    vm.release()
    vm = js.lease(image)

    with pytest.raises(GuestTrapError, match=r"does not load in this run: Error: too late"):
        begin(vm, "main", at=NOW + 1)
    vm.release()


def fresh(js: QuickJS) -> QuickJS:
    """Return a guest as a process has it that has only just begun."""
    return QuickJS(backend=js.backend.name, bootstrap=BOOTSTRAP)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where guests of this test keep their boot image."""
    path = tmp_path / "boot.image"
    monkeypatch.setattr(QuickJS, "boot_path", path)
    return path


@pytest.fixture
def never_boots(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let no guest boot from the call of this on."""

    def boot(*_: object) -> Booted:
        raise AssertionError("booted again")

    return lambda: monkeypatch.setattr(guest_module, "boot", boot)


def test_the_second_process_boots_nothing(js: QuickJS, path: Path, never_boots: Callable[[], None]) -> None:
    """
    The boot image comes from its file, for programs of both kinds, and is the same image.
    """
    pure, impure = program("export async function main() { return 41; }"), program(DRAWS)
    first = fresh(js)
    hashes = [first.load(each).hash for each in (pure, impure)]
    packed = first.load(impure).to_bytes()
    first.close()
    never_boots()

    second = fresh(js)
    assert run_to_end(second, "export async function main() { return 41; }") == 41
    assert [second.load(each).hash for each in (pure, impure)] == hashes
    assert second.revive(packed, impure).hash == hashes[1]
    second.close()
    assert path.exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "no seal"])
def test_a_damaged_boot_image_is_made_anew(js: QuickJS, path: Path, damage: str) -> None:
    """
    Whatever happened to the file, the next process boots and leaves a whole one.
    """
    first = fresh(js)
    first.prepare()
    whole = path.read_bytes()
    first.close()
    match damage:
        case "flip":
            path.write_bytes(b"\1" + whole[1:])
        case "cut":
            path.write_bytes(whole[:5000])
        case "no seal":
            path.with_suffix(".seal").unlink()

    second = fresh(js)
    assert run_to_end(second, "export async function main() { return 41; }") == 41
    assert path.read_bytes() == whole
    second.close()


def test_where_nothing_can_be_kept_each_process_boots(
    js: QuickJS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A cache that cannot be written costs time only.
    """
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(QuickJS, "boot_path", tmp_path / "file" / "boot.image")
    guest = fresh(js)
    assert run_to_end(guest, "export async function main() { return 41; }") == 41
    guest.close()
