"""Some of the hostile programs, one or two of each family and language; ``make hostile`` runs them all."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.arena import Verdict, fight, table
from tests.hostile.corpus import Hostile, corpus

CHOSEN = (
    *("p_loop", "p_except", "p_mem_once", "p_print_big", "p_rec", "p_exc", "p_exit", "p_os", "p_forge", "p_forge_ops"),
    *("p_forge_watch", "p_forge_log", "p_patch", "p_typeconf", "p_unlisted"),
    *(
        "j_loop_micro",
        "j_regex",
        "j_mem",
        "j_log_big",
        "j_json_deep",
        "j_throw_getter",
        "j_pol_json2",
        "j_import",
        "j_forge",
    ),
)


def test_the_corpus_has_families_in_both_languages() -> None:
    """No program is lost between the texts and the table."""
    programs = corpus()
    assert len(programs) == 143
    assert {program.language for program in programs} == {"python", "javascript"}
    assert set(CHOSEN) <= {program.name for program in programs}
    assert len({program.family for program in programs}) == 8


def test_hostile_programs_escape_from_nothing_and_harm_nobody(tmp_path: Path) -> None:
    """Each is stopped, refused, or ends; runs beside it have their results."""
    programs = [program for program in corpus() if program.name in CHOSEN]
    verdicts = fight(programs, tmp_path)
    told = table(programs, verdicts)
    assert len(verdicts) == len(CHOSEN), told
    assert [each for each in verdicts if each.escaped or each.harm] == [], told
    outcomes = {verdict.name: verdict.outcome for verdict in verdicts}
    assert outcomes["p_loop"] == outcomes["j_loop_micro"] == "QUOTA_EXCEEDED"
    assert outcomes["p_unlisted"] == outcomes["p_forge_ops"] == "NOT_ALLOWED"


def test_a_program_that_does_harm_is_told(tmp_path: Path) -> None:
    """The judge is no yes-man: a process that ends, an escape and a harmed neighbour are counted."""
    lost = fight([Hostile("nobody", "python", "CPU")], tmp_path)
    assert [each.harm for each in lost] == ["the worker's process ended or hung"]
    bad = [Verdict("nobody", "ended", escaped=["unlisted('rm')"]), Verdict("nobody", "ended", harm="late")]
    assert "2 programs: 1 escapes, 1 that harmed a neighbour" in table([Hostile("nobody", "python", "CPU")], bad)
