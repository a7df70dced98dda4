"""Why a third-party package is not in a program, and what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from torpor.programs.python.carried import carried_packages
from torpor.programs.python.third_party import NEEDED_MAX, why_absent


class Installed:
    """A folder of installed packages, on the import path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, **files: str) -> None:
        """Write modules; ``__`` in a name stands for ``/``."""
        for name, text in files.items():
            path = self._folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def compile(self, name: str) -> None:
        """Write a compiled part."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Nothing is installed yet."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return Installed(folder)


def test_a_package_of_pure_python_may_be_bundled(installed: Installed) -> None:
    """The advice is what to write, with what goes in already."""
    installed.write(pure="import json, re\n")

    assert why_absent("pure").endswith(
        "use it in steps, or, if workflow code needs it, bundle it: Torpor(bundle=['pure'])"
    )
    assert why_absent("pure", {"other"}).endswith("Torpor(bundle=['other', 'pure'])")


def test_what_a_package_needs_is_bundled_with_it(installed: Installed) -> None:
    """Each of them once, in a circle too; not what is in the guest, or is done without."""
    installed.write(
        pure__core="from near import f\nimport tzdata\ntry:\n    import faraway\nexcept ImportError: ...\n",
        near="from far.deep import g\n",
        far__deep='"""An example:\n\nimport faraway\n"""\nimport pure\nfrom . import other\nimport nobody_has_this\n',
        faraway="",
    )

    assert "Torpor(bundle=['pure', 'near', 'far'])" in why_absent("pure")


FULL = "Torpor(python='full'), with torpor[science]"


def test_what_the_full_guest_has_is_told(installed: Installed) -> None:
    """Whoever wants it in workflow code learns where it is; it does not ask for what it carries."""
    installed.write(sympy="import mpmath\n", mpmath="", pure="import sympy\n")

    assert why_absent("sympy").endswith("Torpor(bundle=['sympy', 'mpmath']); the full guest has it: " + FULL)
    assert why_absent("xlrd").endswith("does not carry; use it in steps; the full guest has it: " + FULL)
    assert why_absent("pure", carried=carried_packages(full=True)).endswith("Torpor(bundle=['pure'])")


def test_what_goes_in_already_is_not_told_again(installed: Installed) -> None:
    """Nor is it looked into."""
    installed.write(pure="import near\n", near="import socket\n")

    assert "Torpor(bundle=['near', 'pure'])" in why_absent("pure", ["near"])


@pytest.mark.parametrize(
    "line", ["import socket\n", "import os, http.client\n", "from ssl import SSLError\n", "import json, socket as s\n"]
)
def test_a_package_that_talks_to_the_network_is_for_steps(installed: Installed, line: str) -> None:
    """Bundling it would lead to a program that does not load, or does not work."""
    installed.write(talks__a="", talks__b=line, asks="import talks.b\n")

    told = why_absent("talks")
    assert "and bundling it would not help: it talks to the network (it imports " in told
    assert told.endswith("and the VM has none; use it in steps")
    assert "bundling it would not help: it needs talks, which talks to the network" in why_absent("asks")


@pytest.mark.parametrize("text", ["def f():\n    import socket\n", '"""\nimport socket\n"""\n', "import socketry\n"])
def test_the_network_is_not_suspected_without_cause(installed: Installed, text: str) -> None:
    """A function that nobody calls, an example in a docstring and another's name are no network."""
    installed.write(quiet=text)

    assert "bundle=['quiet']" in why_absent("quiet")


def test_tests_of_a_package_do_not_count(installed: Installed) -> None:
    """They need all sorts of things."""
    installed.write(quiet__core="", quiet__tests__test_core="import socket\n", quiet___tests__core="import socket\n")

    assert "bundle=['quiet']" in why_absent("quiet")


def test_a_package_with_compiled_parts_is_for_steps(installed: Installed) -> None:
    """Its own, or those of what it needs; files are not named, as they differ between machines."""
    installed.write(fast____init__="", needs_fast="import fast\n")
    installed.compile("fast/_core.cpython-311.so")

    parts = "has compiled parts, and the guest runs Python source only; use it in steps"
    assert why_absent("fast").endswith(f"bundling it would not help: it {parts}")
    assert why_absent("needs_fast").endswith(f"bundling it would not help: it needs fast, which {parts}")


def test_a_package_that_needs_many_others_is_for_steps(installed: Installed) -> None:
    """Nobody wants to read such a list."""
    chain = {f"link{n}": f"import link{n + 1}\n" for n in range(NEEDED_MAX + 5)}
    installed.write(**chain)

    assert why_absent("link0").endswith(f"it needs more than {NEEDED_MAX} others; use it in steps")


def test_a_file_that_is_no_python_is_passed_over(installed: Installed) -> None:
    """Packages carry templates."""
    installed.write(odd__a="import socket !\n", odd__b="")

    assert "bundle=['odd']" in why_absent("odd")
