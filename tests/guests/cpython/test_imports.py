"""What libraries read and draw while they are imported: once for the image, and made anew for each run."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from tests.guests.cpython.conftest import SEED, Author
from torpor.guests.cpython import CPython
from torpor.vm.guest import Image, Program

WORKFLOW = "workflow//./app.py//main"
OTHER_SEED = bytes(32)


@pytest.fixture
def loaded(guest: CPython) -> Any:
    """Return a function that loads an author's file, with a bundled package of one module ``lib`` beside it."""

    def load(app: str, lib: str = "", **files: str) -> Image:
        texts = {"./app.py": app, "lib/__init__.py": lib, **{f"./{name}.py": text for name, text in files.items()}}
        program = Program(
            guest="cpython",
            build=guest.build,
            files={label: textwrap.dedent(text) for label, text in texts.items()},
            entries=["app"],
            workflows={WORKFLOW: ("app", "main")},
            modules={"app": "./app.py", "lib": "lib/__init__.py", **{name: f"./{name}.py" for name in files}},
        )
        return guest.load(program)

    return load


def results(author: Author, image: Image) -> list[Any]:
    """Return what two runs with different seeds return, and the first one again."""
    return [author.run(image).begin(seed=seed).value for seed in (SEED, OTHER_SEED, SEED)]


def main(expression: str) -> str:
    """Return a workflow that returns an expression."""
    return f"\n@__torpor_workflow__({WORKFLOW!r})\nasync def main():\n    return {expression}\n"


@pytest.mark.parametrize(
    "lib",
    [
        "import time; LOADED = time.time()",
        "import datetime; LOADED = datetime.datetime.now()",
        "import random; random.seed(7)",
        "import random; ORDER = random.sample(range(9), 9)",
        "import random; RNG = random.Random()",
        "import random; RNG = random.SystemRandom()",
        "import os; SALT = os.urandom(8)",
        "import uuid; NODE = uuid.uuid4().hex",
        "import secrets; KEY: str = secrets.token_hex()",
        "def make():\n    import tempfile\n    return next(tempfile._get_candidate_names())\nNAME = make()",
    ],
)
def test_bundled_packages_leave_the_image_shared(loaded: Any, lib: str) -> None:
    """Whatever they read and draw at their import."""
    assert loaded(f"import lib{main('1')}", lib).per_run is None


@pytest.mark.parametrize(
    ("lib", "kept"),
    [
        ("import random; RNG = random.Random()", "lib.RNG.random()"),
        ("import random, time; RNG = random.Random(time.time())", "lib.RNG.random()"),
        ("import random, time; RNG = random.Random(time.time_ns())", "lib.RNG.random()"),
        ("import random, os; RNG = random.Random(os.urandom(9))", "lib.RNG.random()"),
        ("import random\nclass Own(random.Random): pass\nRNG = Own()", "lib.RNG.random()"),
        ("import random; random.seed(7)", "__import__('random').random()"),
        ("import uuid; NODE = uuid.uuid4().hex", "lib.NODE"),
        ("import os; SALT: bytes = os.urandom(8)", "lib.SALT"),
        ("import os; SALT = OTHER = os.urandom(8)", "lib.OTHER"),
        ("import os\ndef make(): return os.urandom(8)\nSALT = make()", "lib.SALT"),
        ("import os; SALT = os.urandom(8)", "SALT"),
    ],
)
def test_what_must_differ_between_runs_differs(author: Author, loaded: Any, lib: str, kept: str) -> None:
    """Generators are seeded anew, and kept draws drawn anew, from the run's own seed; names taken elsewhere follow."""
    taken = "from lib import SALT" if kept == "SALT" else "import lib"
    first, second, again = results(author, loaded(f"{taken}{main(kept)}", lib))

    assert first != second
    assert first == again


def test_a_generator_with_a_seed_of_its_own_keeps_it(author: Author, loaded: Any) -> None:
    """What a library wants to be the same everywhere is the same."""
    first, second, _ = results(
        author, loaded(f"import lib{main('lib.RNG.random()')}", "import random\nRNG = random.Random(42)")
    )

    assert first == second


def test_random_numbers_are_not_changed_by_what_a_library_drew(author: Author, loaded: Any) -> None:
    """A run's own are the same, whatever is imported."""
    runs = [
        results(author, loaded(f"import random, lib{main('random.random()')}", lib))[0]
        for lib in ("", "import random; random.seed(7); random.random()")
    ]

    assert runs[0] == runs[1]


def test_a_draw_in_a_library_that_cannot_be_repeated_alone_is_told(author: Author, loaded: Any) -> None:
    """Then nothing is shared, since two runs must not have the same secret."""
    image = loaded(f"import lib{main('lib.Ids.salt')}", "import os\nclass Ids:\n    salt = os.urandom(8)")
    first, second, again = results(author, image)

    assert image.per_run == "lib/__init__.py:3"
    assert first != second
    assert first == again


@pytest.mark.parametrize(
    ("app", "line"),
    [
        ("import lib\nimport time\nKEPT = time.time()", 3),
        ("import lib\nimport random\nKEPT = [\n    1,\n    random.random(),\n]", 5),
        ("import lib\nKEPT = lib.make()", 2),
        ("import uuid\ndef make():\n    return uuid.uuid4()\nimport lib\nKEPT = make()", 3),
        ("import time\ndef one(): return 1\nKEPT = (\n    one(),\n    time.time(),\n)", 5),
        ("import time\ndef one(): return 1\nKEPT = one() + time.time()", 3),
        ("from random import Random\nclass A:\n    rng = Random()", 3),
    ],
)
def test_the_authors_own_reads_are_named(loaded: Any, app: str, line: int) -> None:
    """The line that reads or draws, not that of an import, also when a library does it for the author."""
    lib = "import os, random\nrandom.seed(1)\nSALT = os.urandom(3)\ndef make(): return os.urandom(3)"

    assert loaded(app + main("1"), lib).per_run == f"./app.py:{line}"


def test_the_read_is_named_in_the_module_that_does_it(loaded: Any) -> None:
    """A module of the author's that another one imports."""
    image = loaded(
        f"import lib\nimport other{main('1')}", "import time; time.time()", other="import time\nT = time.time()"
    )

    assert image.per_run == "./other.py:2"


def test_a_large_program_is_shared(loaded: Any) -> None:
    """To take in many files makes garbage, and to collect it is not the program's reading of the clock."""
    files = {f"part{number}": "VALUE = 1\n" for number in range(6_000)}

    assert loaded(f"import part5{main('part5.VALUE')}", **files).per_run is None
