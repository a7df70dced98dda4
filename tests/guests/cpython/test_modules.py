"""The program's modules inside the VM, and what is not there."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

import torpor
from tests.guests.cpython.conftest import HEAD, LABEL, WORKFLOW, Author
from torpor.codec.errors import PythonError, traceback_text
from torpor.errors import ConfigurationError, NotInWorkflowError, ProgramError

ABSENT = {"requests": "it is not part of the guest", "sqlalchemy": "it has compiled parts"}
MAIN = f'@__torpor_workflow__("{WORKFLOW}")\nasync def main():\n'


def test_modules_packages_and_namespaces(author: Author) -> None:
    """Absolute and relative imports, packages and folders without __init__ are what they are outside."""
    files = {
        "./flows/app.py": """
            from .money import cents
            from shop.prices.table import PRICE
            import shop.tax as tax
            async def main():
                return [cents(PRICE), tax.RATE, __name__, __file__, tax.__package__, cents.__module__]
            """,
        "./flows/money.py": "from . import scale\ndef cents(x): return x * scale.FACTOR\n",
        "./flows/scale.py": "FACTOR = 100\n",
        "./shop/__init__.py": "from .tax import RATE\n",
        "./shop/tax.py": "RATE = 19\n",
        "./shop/prices/table.py": "PRICE = 3\n",
    }
    run = author.run(author._guest.load(author.program(files))).begin()

    assert run.value == [300, 19, "flows.app", "./flows/app.py", "shop", "flows.money"]


def test_tracebacks_show_source_lines_of_every_file(author: Author) -> None:
    """A failure in another module names that file and shows its line."""
    image = author.load(f"import deep\n{MAIN}    deep.fall()\n", deep="def fall():\n    return {}['k']  # here\n")
    text = traceback_text(author.run(image).begin().failure)

    assert '  File "./app.py", line 4, in main\n    deep.fall()' in text
    assert "  File \"./deep.py\", line 2, in fall\n    return {}['k']  # here" in text


def test_the_standard_library_is_there(author: Author) -> None:
    """Modules that nothing has imported yet can be imported inside the workflow, and know time zones."""
    body = "import graphlib, zoneinfo, tomllib; return [tomllib.loads('a=1'), str(zoneinfo.ZoneInfo('Europe/Berlin'))]"

    assert author.body(body).begin().value == [{"a": 1}, "Europe/Berlin"]


@pytest.mark.parametrize(
    "use",
    [
        "import requests",
        "import requests.adapters as adapters; adapters.HTTPAdapter",
        "from requests import get, Session",
        "from sqlalchemy.orm import declarative_base; Base = declarative_base()\nclass User(Base):\n    x = Base.y",
        "import requests\nclass Mine(requests.Session):\n    def f(self): ...",
        "import abc, sqlalchemy\nclass Mine(sqlalchemy.Base, abc.ABC): ...",
        "import requests\n@requests.decorated(1)\ndef f(): ...\n@requests.plain\ndef g(): ...\nf(); g()",
        "import requests\nsession = requests.Session(timeout=1); session.headers['a'] = 1; session.auth = 2",
        "import requests\nif requests.codes.ok + 1: pass",
        "import requests\nclass Hero(requests.Model, table=True): x: int\nclass Villain(Hero, frozen=True): ...",
        "import requests\nclass Mixin: ...\nclass Hero(requests.Model[int], Mixin, requests.base, table=True): ...",
        "import requests\nclass Hero(metaclass=requests.Meta, table=True): ...",
        "import requests\nclass Plain: ...\nclass Hero(Plain, metaclass=requests.Meta, table=True): ...",
        "import enum, requests\nclass Hero(requests.Named, enum.Enum):\n    X = 1\nassert Hero.X.value == 1",
        "import requests\nclass Meta(type): ...\nclass Hero(requests.Model, metaclass=Meta): x = 1\nassert Hero.x == 1",
        "import requests\nfrom typing import Protocol\nclass Hero(requests.Named, Protocol): ...",
        "import requests\nclass Heroes(requests.Model, list): ...\nclass More(dict, requests.base, table=True): ...",
        "import requests\nclass Slots:\n    __slots__ = ('a',)\nclass Hero(requests.Model, Slots): ...",
        "import requests\nassert requests.codes != requests.Codes and requests.codes in (None, requests.codes)",
        "import requests\nTYPES = requests.Session | None; MANY = requests.lists[int]; x: requests.Nothing = None",
        "import requests\nwith requests.open() as f:\n    for line in f: pass",
        "import requests\ntry:\n    {}['k']\nexcept (requests.HTTPError, KeyError):\n    pass",
        "import requests\nassert not isinstance(1, requests.Session) and not issubclass(int, requests.Session)",
        "from requests import *",
        "import importlib\nrequests = importlib.import_module('requests')\nrequests.Session()",
        "import requests, dataclasses\n@dataclasses.dataclass\nclass D:\n    s: requests.Session = requests.DEFAULT",
        "import torpor.testing\nfrom torpor import WorkerSettings\nsettings = WorkerSettings(); app.use(settings)",
        "app.workflows('*.js'); app.schedule('1h')(print)",
    ],
)
def test_placeholders_are_harmless_while_modules_load(author: Author, use: str) -> None:
    """Whatever module scope does with an absent module, the program loads and runs."""
    assert author.body("return 1", before=f"{use}\n", absent=ABSENT).begin().value == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("return requests.get('x')", "requests.get"),
        ("return Session()", "requests.Session"),
        ("return session.get('x')", "requests.Session.get"),
        ("return Mine()", "requests.Session"),
        ("async with session: ...", "requests.Session"),
        ("for _ in session: ...", "requests.Session"),
        ("return session + 1", "requests.Session"),
        ("session.auth = 1", "requests.Session"),
        ("return Many()", "requests.Session"),
        ("return Kept.get('x')", "requests.Session.get"),
        ("import requests.auth; return requests.auth.Basic('a')", "requests.auth.Basic"),
        ("from requests import put", "requests.put"),
    ],
)
def test_placeholders_refuse_to_be_used(author: Author, body: str, named: str) -> None:
    """In a workflow any use tells what, where, where from, why and what to do instead."""
    before = "import requests\nfrom requests import Session\nsession = Session()\nclass Mine(Session): ...\n"
    before += "class Many(Session, list): ...\nKept = Many()\n"
    failure = author.body(body, before=before, absent=ABSENT).begin().failure

    assert isinstance(failure, NotInWorkflowError)
    assert str(failure).startswith(f"{named} cannot be used in a workflow (./app.py:17, imported at ./app.py:")
    assert "it is not part of the guest" in str(failure)
    assert str(failure).endswith("; move what uses it into a step: a function with @app.step")


def test_a_program_that_stumbles_over_what_it_lacks_says_what_that_is(author: Author) -> None:
    """Python's own error knows nothing of packages that nobody has taken along."""
    with pytest.raises(ProgramError) as told:
        author.body("return 1", before="import requests, re\nre.split(',', requests.x)\n", absent=ABSENT)

    hint = (
        "got 'Placeholder'; this may be because the program has placeholders for what it lacks: requests (./app.py:9): "
    )
    assert f"{hint}it is not part of the guest\n" in str(told.value)


def test_a_module_that_is_imported_late_may_use_placeholders_too(author: Author) -> None:
    """Packages import parts of themselves when they are first used, as anyio does its back end."""
    late = """
    import os, requests
    from requests import Session
    class Mine(Session, timeout=1):
        kept = requests.get("x")
    FEE = os.environ.get("FEE")
    def use(): return requests.get("x")
    """
    files = {LABEL: f"{HEAD}{MAIN}    import late\n    late.use()\n", "./late.py": late}
    failure = author.run(author._guest.load(author.program(files, absent=ABSENT))).begin().failure

    assert str(failure).startswith("requests.get cannot be used in a workflow (./late.py:7, imported at ./late.py:2)")


@pytest.mark.parametrize(
    "use",
    [
        "requests.codes.ok > 1",
        "'2' <= requests.__version__",
        "requests.Codes < requests.Codes",
        "requests.backend == 'cuda'",
        "1 in (requests.level, 1)",
        "requests.pair != (1, 2)",
    ],
)
def test_nothing_is_decided_by_a_value_that_is_not_known(author: Author, use: str) -> None:
    """A comparison would go one way here and perhaps the other way outside."""
    with pytest.raises(ProgramError, match=r"cannot be compared in a workflow \(./app.py:10, imported at ./app.py:9\)"):
        author.body("return 1", before=f"import requests\nif {use}: pass\n", absent=ABSENT)


@pytest.mark.parametrize(
    "found",
    [
        "requests.__version__",
        "__import__('requests').api.VERSION[0]",
        "version",
        "metadata.version('Requests_Kit')",
        "metadata.metadata('requests.kit')['Version']",
    ],
)
def test_versions_of_absent_packages_are_known(author: Author, found: str) -> None:
    """Those that the program brought along: as attributes, by import, and by the names of distributions."""
    before = "import requests.api\nfrom importlib import metadata\nfrom requests import __version__ as version\n"
    text = f"{HEAD}{before}if not {found} > '2': raise ValueError\n{MAIN}    return {found}\n"
    program = replace(
        author.program({LABEL: text}, absent=ABSENT),
        versions={"requests.__version__": "2.34", "requests.api.VERSION": ("2.34", 1)},
        distributions={"requests-kit": "2.34"},
    )

    assert author.run(author._guest.load(program)).begin().value == "2.34"


def test_distributions_that_nobody_knows(author: Author) -> None:
    """They are not found; the guest's own are."""
    body = "from importlib import metadata; return [metadata.version('tzdata'), metadata.version('nope')]"

    failure = author.body(body).begin().failure
    assert isinstance(failure, ModuleNotFoundError | PythonError)
    assert "nope" in str(failure)


def test_absent_exceptions_never_match(author: Author) -> None:
    """An except clause with an absent class lets other exceptions pass."""
    body = "try:\n    await charge(1)\nexcept requests.exceptions.Timeout:\n    return 'no'"
    run = author.body(body, before="import requests\nrequests.exceptions.Timeout\n", absent=ABSENT).begin()
    failure = run.fail(1, ValueError("x")).failure

    assert isinstance(failure, NotInWorkflowError | ValueError)


def test_the_application_outside_is_not_here(author: Author) -> None:
    """Worlds and workers are refused by name."""
    failure = author.body("app.worker()").begin().failure

    assert isinstance(failure, NotInWorkflowError)
    assert str(failure).startswith("Torpor.worker cannot be used in a workflow (./app.py:11)")


def test_a_step_that_was_not_registered(author: Author) -> None:
    """A function that becomes a step inside the VM is none."""
    failure = author.body("await late()", before="@app.step(max_retries=1)\nasync def late(): ...\n").begin().failure

    assert str(failure).startswith("step late cannot be used in a workflow")


def test_a_step_that_was_registered_by_a_call(author: Author) -> None:
    """What the application gave back for a step is the step."""
    run = author.body("await pay(1)", before="pay = app.step(charge)\n").begin()

    assert [op.name for op in run.ops] == ["step//./app.py//charge"]


@pytest.mark.parametrize("use", ["open('/etc/passwd')", "Path('x').write_text('y')", "Path('x').read_bytes()"])
def test_files(author: Author, use: str) -> None:
    """Opening a file is an OSError, with advice."""
    failure = author.body(use, before="from pathlib import Path\n").begin().failure

    assert isinstance(failure, OSError)
    assert "there are no files inside a workflow (./app.py:12)" in str(failure)


@pytest.mark.parametrize(
    "use", ["os.environ['FEE']", "os.environ.get('FEE', '7')", "os.getenv('FEE')", "'FEE' in os.environ"]
)
def test_the_environment_is_the_workers(author: Author, use: str) -> None:
    """A workflow that asks for a variable is told to read it in a step."""
    failure = author.body(use, before="import os\n").begin().failure

    assert isinstance(failure, NotInWorkflowError)
    assert str(failure).startswith("environment variable FEE cannot be used in a workflow (./app.py:12): ")
    assert str(failure).endswith("read it in a step, or pass what it says as an argument of the workflow")


def test_a_variable_that_is_read_at_module_scope_may_be_kept(author: Author) -> None:
    """Steps may be what it is for; only a workflow that uses it fails, and says which variable."""
    before = "import os\nclass Settings:\n    url = os.environ['URL']\n"

    assert author.body("return 1", before=before).begin().value == 1
    failure = author.body("return f'{Settings.url}'", before=before).begin().failure
    assert isinstance(failure, NotInWorkflowError)
    assert str(failure).startswith("environment variable URL cannot be used in a workflow (./app.py:14): ")


@pytest.mark.parametrize(
    "use", ["int(os.getenv('FEE', '7'))", "os.environ.get('DEBUG') == '1'", "bool(os.getenv('X'))"]
)
def test_a_constant_that_comes_from_a_variable_does_not_load(author: Author, use: str) -> None:
    """It would have another value in the workflow than in its steps."""
    with pytest.raises(ConfigurationError, match=r"environment variable .* cannot be used in a workflow"):
        author.body("return FEE", before=f"import os\nFEE = {use}\n").begin()


def test_metadata(author: Author) -> None:
    """Workflow code knows its run."""
    body = "m = current_workflow(); return [m.id, m.name, m.started_at.isoformat(), m.url]"

    assert author.body(body).begin(run_id="wrun_7").value == [
        "wrun_7",
        WORKFLOW,
        "2023-11-14T22:13:20+00:00",
        "https://a.example",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import time\nX = 1\nSTARTED = time.time()\n", 3),
        ("import random\n\nR = random.SystemRandom().random()\n", 3),
        ("import datetime\ndef now():\n    return datetime.datetime.now()\n\nNOW = now()\n", 3),
        ("import uuid\nID = uuid.uuid4()\n", 2),
        ("import random\nNAMES = ['a', 'b']\nrandom.shuffle(NAMES)\n", 3),
    ],
)
def test_impure_programs_are_evaluated_per_run(author: Author, text: str, line: int) -> None:
    """A program that reads the clock or draws entropy at module scope says where."""
    assert author.load(f"{text}async def main(): ...\n").per_run == f"{LABEL}:{line}"


def test_an_impure_value_is_the_runs_own(author: Author) -> None:
    """What module scope drew is different for every seed, and stays while the run sleeps."""
    run = author.body("a = ID; await charge(1); return [a, ID]", before="import uuid\nID = str(uuid.uuid4())\n")
    first = run.begin().park().complete(1).value
    second = author.run(run.image).begin(seed=bytes(32)).complete(1).value

    assert first[0] == first[1]
    assert first != second


def test_random_at_module_scope_is_the_runs_own(author: Author) -> None:
    """The functions of random, which the host does not see, give every run its own numbers, and none of them twice."""
    run = author.body("return [R, random.random()]", before="import random\nR = random.random()\n")
    drawn = run.begin().value + author.run(run.image).begin(seed=bytes(32)).value

    assert len(set(drawn)) == 4


def test_ordinary_modules_are_pure(author: Author) -> None:
    """Imports, classes, loggers and seeded generators share their image."""
    text = (
        "import asyncio, dataclasses, decimal, enum, json, logging, random, re, secrets, time, uuid\n"
        "log = logging.getLogger(__name__)\nRNG = random.Random(7).random()\nLOCK = asyncio.Lock()\n"
    )

    assert author.load(HEAD + text + MAIN + "    ...\n").per_run is None


def test_optional_imports_may_fail(author: Author) -> None:
    """An absent module that a program can do without is absent, also for Python's own library."""
    before = """
    try:
        import requests
    except ImportError:
        requests = None
    import http.client
    """
    absent = ABSENT | {"ssl": "it is not part of the guest"}
    body = "return [requests, hasattr(http.client, 'HTTPSConnection')]"

    assert author.body(body, before=before, absent=absent).begin().value == [None, False]


def test_a_file_hides_a_module_of_pythons(author: Author) -> None:
    """A project's own secrets.py is what its modules import, as in any script."""
    image = author.load(f"import secrets\n{MAIN}    return secrets.MINE\n", secrets="MINE = 1\n")

    assert author.run(image).begin().value == 1


def test_a_part_of_a_package_may_be_absent(author: Author) -> None:
    """What is absent below a folder or a package that is there is a placeholder; the rest is not."""
    before = "import google.cloud.storage\nfrom shop import fast, slow\n"
    files = {
        LABEL: f"{HEAD}{before}{MAIN}    return [slow.X, await charge(1), google.cloud.storage.Client()]\n",
        "./shop/__init__.py": "",
        "./shop/slow.py": "X = 1\n",
    }
    program = author.program(files, absent={"google.cloud": "third party", "shop.fast": "it is compiled"})
    failure = author.run(author._guest.load(program)).begin().complete(1).failure

    assert str(failure).startswith("google.cloud.storage.Client cannot be used in a workflow")


def test_the_names_of_torpor_are_the_same_on_both_sides(author: Author) -> None:
    """Whatever an application imports from torpor can be imported inside, too."""
    names = ", ".join(torpor.__all__)
    given = "return [n for n in torpor.__all__ if getattr(torpor, n) is None]"

    assert author.body(given, before=f"import torpor\nfrom torpor import {names}\n").begin().value == []


def test_serializable_classes(author: Author) -> None:
    """Classes are registered inside as they are outside."""
    before = "@app.serializable\nclass Point:\n    def __init__(self): self.x = 1\n"
    run = author.body("return (await charge(Point())).x", before=before).begin()
    text = run.ops[0].input or ""

    assert "class//python//serializable//app:Point@1" in text
