"""Which statements of which modules go into a program of Python workflows."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.programs.python.projects import HEAD, Project
from torpor.errors import ConfigurationError
from torpor.programs.python import Definition, build_bundle
from torpor.vm.guest import Program, program_bytes, program_id


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project; its modules are importable and never imported."""
    monkeypatch.syspath_prepend(tmp_path)
    yield Project(tmp_path)
    assert not [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]


# Reach


def test_a_workflow_brings_what_it_names_and_nothing_else(project: Project) -> None:
    """Functions, constants and imports that the workflow does not reach stay outside."""
    project.write(
        "app.py",
        "import os, json, math\n"
        + HEAD
        + "KEY = os.environ['KEY']\nRATE = 2\n"
        + "def helper(x): return math.floor(x * RATE)\n"
        + "def other(): return json.dumps(KEY)\n"
        + "@app.workflow\nasync def main(x): return helper(x)\n",
    )

    assert project.names() == {"math", "RATE", "helper", "main"}


def test_a_local_name_is_not_the_modules(project: Project) -> None:
    """Parameters, variables, comprehensions and handlers hide names of the module."""
    project.write(
        "app.py",
        HEAD
        + "a = b = c = d = e = f = 1 / 0\n"
        + "@app.workflow\n"
        + "async def main(a):\n"
        + "    b = [c for c in a]\n"
        + "    try: pass\n"
        + "    except ValueError as d: raise\n"
        + "    with open('') as e: return (lambda f: f)(b)\n",
    )

    assert project.names() == {"main"}


def test_a_name_that_a_function_declares_global_is_the_modules(project: Project) -> None:
    """``global`` makes an assignment reach the module."""
    project.write(
        "app.py",
        HEAD + "count = 0\ndef more():\n    global count\n    count += 1\n@app.workflow\nasync def main(): more()\n",
    )

    assert "count" in project.names()


def test_statements_that_act_on_a_reached_name_go_in(project: Project) -> None:
    """Tables are filled; statements that act on other names are left out."""
    project.write(
        "app.py",
        HEAD
        + "TABLE = {}\nTABLE['a'] = 1\nTABLE.update(b=2)\nfor name in 'cd':\n    TABLE[name] = 3\n"
        + "OTHER = {}\nOTHER['a'] = boom()\nprint('loading')\n"
        + "@app.workflow\nasync def main(): return TABLE\n",
    )

    scope: dict[str, object] = {"__torpor_workflow__": lambda _: lambda function: function}
    exec(project.text(), scope)  # noqa: S102  # it is the test's own text

    assert scope["TABLE"] == {"a": 1, "b": 2, "c": 3, "d": 3}
    assert "OTHER" not in scope


def test_names_that_functions_and_tables_set_are_there(project: Project) -> None:
    """A call that sets a global goes in with whoever reads it, and so does what acts on ``globals()``."""
    project.write(
        "tables.py",
        "def fill():\n    global low, high\n    low = high = 1\nfill()\ndef read(): return low\ndef other(): ...\n",
    )
    project.write("made.py", "globals().update(found=1)\ndef read(): return found\n")
    project.write(
        "app.py",
        "import tables, made\n" + HEAD + "@app.workflow\nasync def main(): return tables.read(), made.read()\n",
    )

    assert project.text("./tables.py").splitlines()[3:] == ["fill()", "def read(): return low"]
    assert "globals().update(found=1)" in project.text("./made.py")


def test_every_class_of_a_reached_module_goes_in(project: Project) -> None:
    """Instances may arrive as values, of classes that no workflow names."""
    project.write(
        "models.py", "class Named: pass\nclass Arriving:\n    def price(self): return RATE\nRATE = 2\nJUNK = 1\n"
    )
    project.write("app.py", "from models import Named\n" + HEAD + "@app.workflow\nasync def main(): return Named()\n")

    made = project.made().program

    assert project.names("./models.py") == {"Named", "Arriving", "RATE"}
    assert made.entries == ["app", "models"]


def test_classes_that_a_reached_module_registers_go_in(project: Project) -> None:
    """``torpor.register`` declares values as a class statement does."""
    project.write(
        "money.py",
        "from fractions import Fraction\nfrom torpor import register\n"
        "def pair(value): return [value.numerator, value.denominator]\n"
        "register(Fraction, pair, lambda data: Fraction(*data))\nRATE = 2\nprint('loaded')\n",
    )
    project.write("app.py", "from money import RATE\n" + HEAD + "@app.workflow\nasync def main(): return RATE\n")

    assert project.names("./money.py") == {"Fraction", "register", "pair", "RATE"}
    assert "print" not in project.text("./money.py")


def test_types_of_a_steps_signature_go_in(project: Project) -> None:
    """A step's result is of a class that workflow code need not name, and may name in quotes or for checkers only."""
    project.write("models.py", "class Receipt: pass\n")
    project.write("late.py", "class Late: pass\n")
    project.write(
        "app.py",
        "from typing import TYPE_CHECKING\nfrom models import Receipt\nif TYPE_CHECKING:\n    from late import Late\n"
        + HEAD
        + "@app.step\nasync def charge() -> 'list[Receipt]': ...\n@app.step\nasync def wait() -> 'Late': ...\n"
        + "@app.workflow\nasync def main(): return [await charge(), await wait()]\n",
    )

    made = project.made().program

    assert {"models", "late"} <= made.modules.keys()
    assert {"models", "late"} <= set(made.entries)


def test_a_program_says_what_it_takes_its_steps_for(project: Project) -> None:
    """Of each step that it may call, wherever that is, it has the full name and the parameters; of others nothing."""
    project.write(
        "far.py", HEAD + "@app.step\ndef ship(order, /, *, fast: bool = False): ...\n@app.step\ndef no(): ...\n"
    )
    project.write(
        "app.py",
        "from far import ship\n" + HEAD + "class Till:\n    @staticmethod\n    @app.step\n    async def open(): ...\n"
        "@app.step\nasync def charge(cents: int = 3) -> str: ...\n@app.step\ndef unused(): ...\n"
        "@app.workflow\nasync def main(): await charge(); await Till.open(); await ship(1)\n",
    )

    assert project.made().program.steps == {
        "step//./app.py//Till.open": "()",
        "step//./app.py//charge": "(cents=...)",
        "step//./far.py//ship": "(order, /, *, fast=...)",
    }


def test_code_that_runs_the_program_stays_outside(project: Project) -> None:
    """Neither scripts nor the application's own set-up run inside the VM."""
    project.write(
        "app.py",
        "import asyncio\nfrom torpor import Torpor\n\n"
        "app = Torpor('sqlite:///x.db', bundle=boom())\napp.workflows('*.js')\n"
        "@app.workflow\nasync def main(): await app.start('other'); await asyncio.sleep(1)\n"
        "if __name__ == '__main__':\n    asyncio.run(main())\n"
        "asyncio.run(main())\n",
    )

    assert project.text() == (
        "import asyncio\nfrom torpor import Torpor\n\napp = Torpor()\n\n"
        '@__torpor_workflow__("workflow//./app.py//main")\n'
        "async def main(): await app.start('other'); await asyncio.sleep(1)\n"
    )


def test_declared_schedules_stay_outside(project: Project) -> None:
    """Above the workflow or by themselves, however many lines they have, and what they read with them."""
    project.write(
        "app.py",
        HEAD
        + "INTERVAL = '1h'\nNAME = 'nightly'\n"
        + "app.schedule(every=INTERVAL)('main')\n"
        + "@app.schedule(\n    '@daily',\n    name=NAME,\n)\n@app.schedule('@hourly')\n"
        + "@app.workflow\nasync def main(): return app.run('')\n",
    )

    assert "schedule" not in project.text()
    assert project.names() == {"Torpor", "app", "main"}


def test_an_application_of_another_module_is_told(project: Project) -> None:
    """``from app import app`` brings the application without its settings and set-up."""
    project.write("app.py", HEAD + "app.workflows('flows/*.py')\n")
    project.write("flow.py", "from app import app\napp.on('memory://')\n@app.workflow\nasync def main(): app.run('')\n")

    assert project.text("./flow.py").splitlines()[:2] == ["from app import app", ""]
    assert project.names("./app.py") == {"Torpor", "app"}


# Imports


@pytest.mark.parametrize(
    ("statement", "use"),
    [
        ("import shop.prices", "shop.prices.total()"),
        ("import shop.prices as prices", "prices.total()"),
        ("from shop import prices", "prices.total()"),
        ("from shop import prices as p", "p.total()"),
        ("from shop.prices import total", "total()"),
        ("from shop.prices import total as t", "t()"),
        ("from shop import total", "total()"),
        ("import shop", "shop.total()"),
    ],
)
@pytest.mark.parametrize("place", ["module", "function", "condition"])
def test_every_way_to_import_leads_to_the_function(project: Project, statement: str, use: str, place: str) -> None:
    """Absolute, aliased and re-exported names, at module level, inside functions and under conditions."""
    project.write("shop/__init__.py", "from .prices import total, unused\n")
    project.write(
        "shop/prices.py", "from . import rates as r\ndef total(): return r.RATE\ndef unused(): ...\nX = 1 / 0\n"
    )
    project.write("shop/rates.py", "RATE = 3\nOTHER = 1 / 0\n")
    project.write("shop/again.py", "from shop.prices import total\n")
    head = {"module": f"{statement}\n", "function": "", "condition": f"if True:\n    {statement}\n"}[place]
    inner = f"    {statement}\n" if place == "function" else ""
    project.write("app.py", head + HEAD + f"@app.workflow\nasync def main():\n{inner}    return {use}\n")

    made = project.made().program

    assert {"shop", "shop.prices", "shop.rates"} <= made.modules.keys()
    assert "total" in project.names("./shop/prices.py")
    assert "RATE" in project.names("./shop/rates.py")
    assert "X" not in project.names("./shop/prices.py")


@pytest.mark.parametrize(
    ("head", "use"),
    [
        ("from shop import price", "price(1)"),
        ("import shop", "shop.price(1)"),
        ("from shop import parts", "parts.price(1)"),
        ("import shop.parts as p", "p.price(1)"),
    ],
)
def test_names_that_a_package_passes_on_with_a_star(project: Project, head: str, use: str) -> None:
    """They are found where they are defined, through as many modules as pass them on."""
    project.write("shop/__init__.py", "from .parts import *\n")
    project.write("shop/parts/__init__.py", "from .prices import *\n")
    project.write("shop/parts/prices.py", "def price(n):\n    return n\n")
    project.write("app.py", f"{head}\n{HEAD}@app.workflow\nasync def main():\n    return {use}\n")

    assert project.names("./shop/parts/prices.py") == {"price"}
    assert "from .prices import *" in project.text("./shop/parts/__init__.py")


@pytest.mark.parametrize("head", ["from shop.again import *\n", "if True:\n    from shop.again import *\n"])
def test_an_import_of_everything_brings_everything(project: Project, head: str) -> None:
    """Nobody can tell which names come from it."""
    project.write("shop/__init__.py", "")
    project.write("shop/again.py", "from shop.prices import total\ndef other(): ...\n")
    project.write("shop/prices.py", "def total(): ...\ndef unused(): ...\n")
    project.write("app.py", head + HEAD + "@app.workflow\nasync def main(): return total()\n")

    assert project.names("./shop/again.py") == {"total", "other"}
    assert project.names("./shop/prices.py") == {"total"}


def test_folders_without_init_are_packages(project: Project) -> None:
    """The modules in them go in under their full names."""
    project.write("lib/inner/tools.py", "def f(): ...\n")
    project.write("app.py", "from lib.inner.tools import f\n" + HEAD + "@app.workflow\nasync def main(): f()\n")

    assert project.made().program.modules == {"app": "./app.py", "lib.inner.tools": "./lib/inner/tools.py"}


def test_relative_imports_climb(project: Project) -> None:
    """Dots count from the importing module's package, also in an ``__init__``."""
    project.write("pkg/__init__.py", "")
    project.write("pkg/base.py", "def f(): ...\n")
    project.write("pkg/sub/__init__.py", "from ..base import f as g\n")
    project.write("pkg/sub/flow.py", "from . import g\n" + HEAD + "@app.workflow\nasync def main(): g()\n")

    assert project.names("./pkg/base.py") == {"f"}
    assert project.names("./pkg/sub/__init__.py") == {"g"}


def test_only_what_is_used_of_a_module_goes_in(project: Project) -> None:
    """``services.charge()`` needs ``charge``, not the connections of the other services."""
    project.write(
        "services.py", "import os\nDSN = os.environ['DSN']\nasync def charge(): ...\ndef rows(): return DSN\n"
    )
    project.write("app.py", "import services\n" + HEAD + "@app.workflow\nasync def main(): await services.charge()\n")

    assert project.names("./services.py") == {"charge"}


def test_a_module_that_is_passed_on_is_taken_by_its_names_too(project: Project) -> None:
    """``from pkg import rules`` where ``pkg`` has it from ``from . import rules``."""
    project.write("pkg/__init__.py", "from . import rules\nfrom . import rules as others\n")
    project.write("pkg/rules.py", "def a(): ...\ndef b(): ...\ndef c(): ...\n")
    project.write(
        "app.py",
        "from pkg import rules, others\n" + HEAD + "@app.workflow\nasync def main(): rules.a(); others.b()\n",
    )

    assert project.names("./pkg/rules.py") == {"a", "b"}


def test_a_module_that_is_used_as_a_value_goes_in_whole(project: Project) -> None:
    """Nobody can tell which names ``getattr`` will ask for."""
    project.write("rules.py", "def a(): ...\ndef b(): ...\nif __name__ == '__main__':\n    boom()\n")
    project.write(
        "app.py", "import rules\n" + HEAD + "@app.workflow\nasync def main(name): return getattr(rules, name)()\n"
    )

    assert project.names("./rules.py") == {"a", "b"}
    assert "boom" not in project.text("./rules.py")


def test_a_module_imported_by_name_goes_in(project: Project) -> None:
    """``importlib.import_module`` with a literal is an import."""
    project.write("plugin.py", "def f(): ...\n")
    project.write(
        "app.py",
        "import importlib\n" + HEAD + "@app.workflow\nasync def main(): importlib.import_module('plugin').f()\n",
    )

    assert project.names("./plugin.py") == {"f"}


def test_modules_that_import_each_other_go_in(project: Project) -> None:
    """Circles end."""
    project.write("a.py", "import b\ndef f(): return b.g\n")
    project.write("b.py", "from a import f\ndef g(): return f\n")
    project.write("app.py", "from a import f\n" + HEAD + "@app.workflow\nasync def main(): f()\n")

    assert project.made().program.modules.keys() == {"a", "app", "b"}


def test_a_file_that_has_two_names_goes_in_once(project: Project) -> None:
    """Both names lead to the same text."""
    project.write("pkg/__init__.py", "")
    project.write("pkg/one.py", "def f(): ...\n")
    project.write(
        "app.py", "import pkg.one\nfrom two import f\n" + HEAD + "@app.workflow\nasync def main(): f(); pkg.one.f()\n"
    )
    (project.folder / "two.py").symlink_to(project.folder / "pkg" / "one.py")

    made = project.made().program

    assert made.modules["two"] == made.modules["pkg.one"] == "./pkg/one.py"


# What the guest lacks


def test_a_third_party_module_is_absent_with_a_reason(project: Project) -> None:
    """What workflow code imports and the guest lacks is named, with advice."""
    project.write(
        "app.py", "import psutil, msgspec\n" + HEAD + "@app.workflow\nasync def main(): psutil.pid_exists(1)\n"
    )

    made = project.made()

    assert list(made.program.absent) == ["psutil"]
    assert "use it in steps" in made.program.absent["psutil"]
    assert [left.where for left in made.left_out if left.what == "psutil"] == ["./app.py:1"]


def test_modules_of_the_standard_library_that_the_guest_lacks_are_absent(project: Project) -> None:
    """The others are the guest's own."""
    project.write("app.py", "import ssl, json\n" + HEAD + "@app.workflow\nasync def main(): return ssl, json\n")

    made = project.made().program

    assert made.absent == {"ssl": "the guest has no module ssl: there is no network in the VM"}
    assert made.modules.keys() == {"app"}


def test_packages_that_the_guest_carries_are_neither_absent_nor_in_the_program(project: Project) -> None:
    """The guest imports its own."""
    project.write(
        "app.py",
        "import tzdata as tz\nfrom torpor.errors import FatalError\n"
        + HEAD
        + "@app.workflow\nasync def main(): return tz, FatalError\n",
    )

    made = project.made().program

    assert made.absent == {}
    assert made.modules.keys() == {"app"}


def test_packages_of_the_full_guest_are_absent_from_the_slim_one(project: Project) -> None:
    """Whether they are installed outside or not; the reason says where they are."""
    project.write(
        "app.py", "import xlrd.book\n" + HEAD + "@app.workflow\nasync def main(): return xlrd.book.open_workbook()\n"
    )
    assert importlib.util.find_spec("xlrd") is None

    absent = project.made().program.absent

    assert list(absent) == ["xlrd"]
    assert "the full guest has it: Torpor(python='full')" in absent["xlrd"]


def test_an_import_that_may_fail_is_left_to_fail(project: Project) -> None:
    """``except ImportError`` does in the guest what it would do on a machine without the package."""
    project.write(
        "app.py",
        "try:\n    import msgspec.json as json\nexcept ImportError:\n    import json\n"
        "try:\n    import psutil\nexcept ImportError:\n    raise RuntimeError('install psutil')\n"
        + HEAD
        + "@app.workflow\nasync def main(): return json, psutil\n",
    )

    made = project.made()

    assert list(made.program.absent) == ["psutil"]
    assert any("takes over" in left.why for left in made.left_out if left.what == "msgspec")


def test_compiled_project_modules_are_absent(project: Project) -> None:
    """The guest runs source only."""
    project.write("app.py", "import fast\n" + HEAD + "@app.workflow\nasync def main(): fast.f()\n")
    project.write(f"fast{EXTENSION_SUFFIXES[0]}", "")

    assert "compiled" in project.made().program.absent["fast"]


# Bundled packages


@pytest.fixture
def installed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = project.folder / "venv" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.usefixtures("installed")
def test_a_bundled_package_goes_in_whole(project: Project) -> None:
    """Every module of it, as it is; what it imports besides is treated like the project's own imports."""
    project.write("venv/site-packages/tiny/__init__.py", "from tiny.core import f  # used\n")
    project.write(
        "venv/site-packages/tiny/core.py", "try:\n    import psutil\nexcept ValueError: ...\n\ndef f(): ...\n"
    )
    project.write("venv/site-packages/tiny/hidden.py", "X = 1\n")
    project.write("app.py", "from tiny import f\n" + HEAD + "@app.workflow\nasync def main(): f()\n")
    absent = project.made().program.absent
    project.bundle = ["tiny"]

    made = project.made().program

    assert "Torpor(bundle=['tiny'])" in absent["tiny"]
    assert made.files["tiny/__init__.py"] == "from tiny.core import f  # used\n"
    assert made.modules["tiny.hidden"] == "tiny/hidden.py"
    assert list(made.absent) == ["psutil"]


@pytest.mark.usefixtures("installed")
def test_a_bundled_module_of_one_file_goes_in(project: Project) -> None:
    """Not every package is a folder."""
    project.write("venv/site-packages/single.py", "def f(): ...\n")
    project.write("app.py", "import single\n" + HEAD + "@app.workflow\nasync def main(): single.f()\n")
    project.bundle = ["single"]

    assert project.made().program.files["single.py"] == "def f(): ...\n"


@pytest.mark.usefixtures("installed")
def test_a_bundled_package_may_be_folders_only(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several distributions share a name; all that they have in it goes in, at whatever depth a file comes first."""
    other = project.folder / "other" / "site-packages"
    monkeypatch.syspath_prepend(other)
    project.write("venv/site-packages/shared/graph/__init__.py", "from shared.checkpoint.base import Saver\n")
    project.write("venv/site-packages/shared/plain.py", "X = 1\n")
    project.write("other/site-packages/shared/checkpoint/base/__init__.py", "import psutil\nclass Saver: ...\n")
    project.write("app.py", "from shared.graph import Saver\n" + HEAD + "@app.workflow\nasync def main(): Saver()\n")
    absent = project.made().program.absent
    project.bundle = ["shared"]

    made = project.made().program

    assert "Torpor(bundle=['shared'])" not in absent["shared"], "it needs a package that is compiled"
    assert "has compiled parts" in absent["shared"]
    assert made.modules == {
        "app": "./app.py",
        "shared.checkpoint.base": "shared/checkpoint/base/__init__.py",
        "shared.graph": "shared/graph/__init__.py",
        "shared.plain": "shared/plain.py",
    }
    assert list(made.absent) == ["psutil"]
    assert "has compiled parts" in made.absent["psutil"]


@pytest.mark.usefixtures("installed")
def test_a_bundled_package_is_read_without_recursion(project: Project) -> None:
    """Tables that a program has written may nest a thousand deep."""
    project.write("venv/site-packages/tiny/__init__.py", "from tiny import table, used\n")
    project.write("venv/site-packages/tiny/table.py", f"X = {' + '.join(['1'] * 1_500)}\n")
    project.write("venv/site-packages/tiny/used.py", "def f():\n    if 1:\n        import psutil\n")
    project.write("app.py", "import tiny\n" + HEAD + "@app.workflow\nasync def main(): return tiny\n")
    project.bundle = ["tiny"]

    made = project.made().program

    assert made.modules.keys() == {"app", "tiny", "tiny.table", "tiny.used"}
    assert list(made.absent) == ["psutil"]


@pytest.mark.usefixtures("installed")
def test_an_import_in_a_bundled_package_may_fail_where_it_says_so(project: Project) -> None:
    """At any depth, in whatever way it is written; what it does instead may not."""
    project.write(
        "venv/site-packages/tiny.py",
        "import importlib\ndef f():\n    try:\n        import psutil\n        importlib.import_module('msgspec')\n"
        "    except ImportError:\n        import rich\n",
    )
    project.write("app.py", "import tiny\n" + HEAD + "@app.workflow\nasync def main(): return tiny.f()\n")
    project.bundle = ["tiny"]

    assert list(project.made().program.absent) == ["rich"]


@pytest.mark.usefixtures("installed")
def test_tests_of_a_bundled_package_stay_outside(project: Project) -> None:
    """Unless something imports them."""
    project.write("venv/site-packages/tiny/__init__.py", "from tiny.tests.helpers import X\n")
    project.write("venv/site-packages/tiny/tests/__init__.py", "")
    project.write("venv/site-packages/tiny/tests/helpers.py", "X = 1\n")
    project.write("venv/site-packages/tiny/tests/test_it.py", "import psutil\n")
    project.write("app.py", "import tiny\n" + HEAD + "@app.workflow\nasync def main(): return tiny.X\n")
    project.bundle = ["tiny"]

    made = project.made().program

    assert made.modules.keys() == {"app", "tiny", "tiny.tests", "tiny.tests.helpers"}
    assert made.absent == {}


@pytest.mark.usefixtures("installed")
def test_a_part_of_a_folder_may_be_bundled(project: Project) -> None:
    """What else is in the folder stays absent."""
    project.write("venv/site-packages/cloud/storage/__init__.py", "from cloud.storage.blob import Blob\n")
    project.write("venv/site-packages/cloud/storage/blob.py", "class Blob: ...\n")
    project.write("venv/site-packages/cloud/auth/__init__.py", "class Key: ...\n")
    head = "from cloud.storage import Blob\nfrom cloud.auth import Key\n" + HEAD
    project.write("app.py", head + "@app.workflow\nasync def main(): Blob(), Key()\n")
    project.bundle = ["cloud.storage"]

    made = project.made()

    assert made.program.modules.keys() == {"app", "cloud.storage", "cloud.storage.blob"}
    assert list(made.program.absent) == ["cloud.auth"]
    assert not [left for left in made.left_out if left.why == "no workflow code imports it"]


@pytest.mark.usefixtures("installed")
def test_a_part_of_a_package_cannot_be_bundled(project: Project) -> None:
    """The package around it would be missing."""
    project.write("venv/site-packages/tiny/__init__.py", "")
    project.write("venv/site-packages/tiny/core.py", "")
    project.write("app.py", HEAD + "@app.workflow\nasync def main(): ...\n")
    project.bundle = ["tiny.core"]

    with pytest.raises(ConfigurationError, match="tiny goes in whole or not at all; bundle that"):
        project.made()


@pytest.mark.parametrize(
    ("head", "use", "known"),
    [
        ("import psutil\n", "psutil.__version__", {"psutil.__version__": psutil.__version__}),
        ("from psutil import __version__ as v\n", "v", {"psutil.__version__": psutil.__version__}),
        ("import psutil\n", "psutil.version_info", {"psutil.version_info": psutil.version_info}),
        ("import psutil\n", "psutil.cpu_count", {}),
        ("import psutil\n", "psutil.no_version", {}),
    ],
)
def test_versions_that_are_asked_for_go_in(project: Project, head: str, use: str, known: dict[str, object]) -> None:
    """As they are here; what nobody asks for does not make programs differ."""
    project.write("app.py", head + HEAD + f"NEW = {use}\n@app.workflow\nasync def main(): return NEW\n")
    program = project.made().program

    assert program.versions == known
    assert (b'"versions"' in program_bytes(program)) is bool(known)
    assert msgspec.json.decode(program_bytes(program), type=Program).versions == known


@pytest.mark.usefixtures("installed")
def test_a_version_of_a_package_that_is_not_loaded_is_its_distributions(project: Project) -> None:
    """What is installed says so without being run."""
    project.write("venv/site-packages/quiet_core/__init__.py", "raise SystemExit\n")
    project.write(
        "venv/site-packages/quiet-1.5.dist-info/METADATA", "Metadata-Version: 2.1\nName: Quiet\nVersion: 1.5\n"
    )
    project.write("venv/site-packages/quiet-1.5.dist-info/top_level.txt", "quiet_core\n")
    asks = "import quiet_core\nfrom importlib.metadata import version\n"
    uses = "NEW = quiet_core.__version__\nKIT = version('quiet'), version('v1'), version(__name__)\n"
    project.write("app.py", asks + HEAD + uses + "@app.workflow\nasync def main(): return NEW, KIT\n")

    program = project.made().program

    assert program.versions == {"quiet_core.__version__": "1.5"}
    assert program.distributions == {"quiet": "1.5"}


@pytest.mark.usefixtures("installed")
def test_a_package_with_compiled_parts_cannot_be_bundled(project: Project) -> None:
    """The error names the file."""
    project.write("venv/site-packages/fast/__init__.py", "")
    project.write("venv/site-packages/fast/_core.so", "")
    project.write("app.py", "import fast\n" + HEAD + "@app.workflow\nasync def main(): fast.f()\n")
    project.bundle = ["fast"]

    with pytest.raises(ConfigurationError, match=r"_core\.so is compiled"):
        project.made()


@pytest.mark.usefixtures("installed")
def test_a_file_of_a_bundled_package_that_is_no_python_stays_outside(project: Project) -> None:
    """Some packages carry templates; the report tells of them."""
    project.write("venv/site-packages/tiny/__init__.py", "")
    project.write("venv/site-packages/tiny/template.py", "{{ name }} = !\n")
    project.write("app.py", "import tiny\n" + HEAD + "@app.workflow\nasync def main(): return tiny\n")
    project.bundle = ["tiny"]

    made = project.made()

    assert made.program.modules.keys() == {"app", "tiny"}
    assert [left.where for left in made.left_out if left.what == "tiny.template"] == ["tiny/template.py"]


def test_long_chains_of_calls_end(project: Project) -> None:
    """However many functions lead from one to the next."""
    functions = "".join(f"def f{i}(): return f{i + 1}()\n" for i in range(2_000))
    project.write("app.py", HEAD + functions + "f2000 = int\n@app.workflow\nasync def main(): return f0()\n")

    assert "f2000" in project.names()


def test_a_package_that_is_not_installed_cannot_be_bundled(project: Project) -> None:
    """A wrong name is told, even if nothing imports it."""
    project.write("app.py", HEAD + "@app.workflow\nasync def main(): ...\n")
    project.bundle = ["nobody_has_this"]

    with pytest.raises(ConfigurationError, match="nobody_has_this"):
        project.made()


@pytest.mark.usefixtures("installed")
def test_a_bundled_package_that_nothing_imports_stays_outside(project: Project) -> None:
    """The report says so."""
    project.write("venv/site-packages/tiny.py", "")
    project.write("app.py", HEAD + "@app.workflow\nasync def main(): ...\n")
    project.bundle = ["tiny"]

    assert [left.why for left in project.made().left_out if left.what == "tiny"] == ["no workflow code imports it"]


# The address


def test_programs_are_the_same_in_whatever_order_functions_were_registered(project: Project) -> None:
    """The content address is a function of the sources."""
    project.write("a.py", HEAD + "@app.workflow\nasync def one(): ...\n@app.workflow\nasync def two(): ...\n")
    workflows = [Definition(f"workflow//./a.py//{name}", "a", name, project.folder / "a.py") for name in ("one", "two")]

    made = [build_bundle(project.folder, order, [], build="") for order in (workflows, workflows[::-1])]

    assert program_id(made[0].program) == program_id(made[1].program)


BASE = """
from torpor import Torpor
import os
app = Torpor("memory://")
KEY = os.environ["KEY"]
@app.step(max_retries=2)
async def charge(cents: int = 3) -> str:
    return KEY
def helper(): return 1
@app.workflow
async def main(cents):
    text = '''# kept
    '''
    return await charge(helper())
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return KEY", "return KEY + KEY"),
        ("max_retries=2", "max_retries=9, timeout='3s'"),
        ("cents: int = 3", "cents: float = 4"),
        ('os.environ["KEY"]', '"secret"'),
        ('Torpor("memory://")', 'Torpor("sqlite:///torpor.db")'),
        ("def helper(): return 1", "def helper(): return 1  # why"),
        ("async def main(cents):", "async def main(cents):  "),
        ("import os\n", "import os, json\n"),
        ("helper())\n", "helper())\n\ndef unused(): ...\n"),
    ],
)
def test_what_does_not_matter_does_not_change_the_address(project: Project, old: str, new: str) -> None:
    """Bodies, types, defaults and settings of steps, unreached statements, comments, settings of the application."""
    project.write("app.py", BASE)
    before = program_id(project.made().program)
    assert BASE.count(old) == 1
    project.write("app.py", BASE.replace(old, new))

    assert program_id(project.made().program) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 1", "return 2"),
        ("async def main(cents):", "async def main(cents, gift=False):"),
        ("# kept", "# other"),
        ("@app.workflow", "@app.workflow\n"),
        ("async def charge", "async def  charge_all"),
        ("cents: int = 3", "cents: int = 3, gift: bool = False"),
    ],
)
def test_what_matters_changes_the_address(project: Project, old: str, new: str) -> None:
    """Kept code, its lines, and the names and parameters of steps."""
    project.write("app.py", BASE)
    before = program_id(project.made().program)
    project.write("app.py", BASE.replace(old, new))

    assert program_id(project.made().program) != before


# Mistakes


def test_syntax_that_this_python_does_not_have_is_told(project: Project) -> None:
    """The error names file and line."""
    project.write("broken.py", "\ndef f(:\n")
    project.write("app.py", "import broken\n" + HEAD + "@app.workflow\nasync def main(): broken.f()\n")
    workflows = [Definition("workflow//./app.py//main", "app", "main", project.folder / "app.py")]

    with pytest.raises(ConfigurationError, match=r"\./broken\.py:2"):
        build_bundle(project.folder, workflows, [], build="")


def nested(comprehensions: int, brackets: str = "[]") -> str:
    """Return comprehensions inside one another."""
    first, last = brackets[0], brackets[1]
    return first * comprehensions + "x" + "".join(f" for a{n} in y{last}" for n in range(comprehensions))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (f"    return {nested(21)}\n", 7),
        ("    try: pass\n" + f"    except E as e: return {nested(19)}\n", 8),
        ("".join(f"{' ' * n}with a:\n" for n in range(4, 14)) + f"{' ' * 14}return {nested(11)}\n", 17),
    ],
    ids=["comprehensions", "except", "with"],
)
def test_code_that_crashes_the_compiler_is_told(project: Project, body: str, line: int) -> None:
    """Handlers of errors around a comprehension are counted by nobody else."""
    project.write("app.py", HEAD + "@app.workflow\nasync def main(x, y, a, E):\n" + body)
    workflows = [Definition("workflow//./app.py//main", "app", "main", project.folder / "app.py")]

    with pytest.raises(ConfigurationError, match=rf"\./app\.py:{line}: comprehensions.*nested more than 20 deep"):
        build_bundle(project.folder, workflows, [], build="")


@pytest.mark.parametrize("body", [nested(20), nested(30, "()"), f"lambda: {nested(20)}"])
def test_code_that_is_nested_deep_and_compiles_is_left_alone(project: Project, body: str) -> None:
    """A generator or a function inside begins to count anew."""
    project.write("app.py", HEAD + f"@app.workflow\nasync def main(x, y):\n    return {body}\n")
    assert body in project.made().program.files["./app.py"]


def test_a_workflow_that_its_file_does_not_define_any_more_is_told(project: Project) -> None:
    """The file was edited since it was imported."""
    file = project.write("app.py", HEAD)

    with pytest.raises(ConfigurationError, match=r"\./app\.py does not define main"):
        build_bundle(project.folder, [Definition("workflow//./app.py//main", "app", "main", file)], [], build="")


def test_a_file_that_is_not_utf_8_is_read_as_it_says(project: Project) -> None:
    """Python's own coding line holds."""
    text = f"# coding: latin-1\n{HEAD}@app.workflow\nasync def main(): return 'é'\n"
    (project.folder / "app.py").write_bytes(text.encode("latin-1"))
    workflows = [Definition("workflow//./app.py//main", "app", "main", project.folder / "app.py")]

    assert "'é'" in build_bundle(project.folder, workflows, [], build="").program.files["./app.py"]


@pytest.mark.parametrize(
    ("before", "body", "kept"),
    [
        (
            "import functools\n@functools.singledispatch\ndef price(x): ...\n@price.register(int)\ndef whole(x): ...\n",
            "return price(1)",
            "whole",
        ),
        ("TABLE = {}\ndef add(f):\n    TABLE[1] = f\n@add\ndef one(): ...\n", "return TABLE[1]()", "one"),
        (
            "TABLE = {}\ndef on(kind):\n    return lambda f: TABLE.update({kind: f})\n@on('a')\ndef one(): ...\n",
            "return TABLE['a']()",
            "one",
        ),
        (
            "class Table:\n    def add(self, f): self.f = f\ntable = Table()\n@table.add\ndef one(): ...\n",
            "return table.f()",
            "one",
        ),
        (
            "import sys\ndef one(): ...\n",
            "return getattr(sys.modules[__name__], 'one')()",
            "one",
        ),
    ],
    ids=["singledispatch", "function", "factory", "method", "own-module"],
)
def test_what_a_decorator_registers_is_reached_through_the_table(
    project: Project, before: str, body: str, kept: str
) -> None:
    """Nothing names a function that is registered; whoever reads the table may call it."""
    project.write("app.py", f"{HEAD}{before}@app.workflow\nasync def main():\n    {body}\n")

    assert kept in project.names()


@pytest.mark.parametrize(
    "fill", ["def fill(t): t.append(1)\nfill(TABLE)", "def fill(): TABLE.append(1)\nfill()", "setattr(TABLE, 'x', 1)"]
)
def test_calls_that_change_what_is_reached_go_in(project: Project, fill: str) -> None:
    """A call changes what it is given, and what the function that it calls changes."""
    project.write("app.py", f"{HEAD}TABLE = []\n{fill}\n@app.workflow\nasync def main():\n    return TABLE\n")

    assert fill.splitlines()[-1] in project.text()


@pytest.mark.parametrize(
    ("imported", "add"),
    [
        ("from lib.table import add", "add"),
        ("import lib.table", "lib.table.add"),
        ("import lib.table as t", "t.add"),
        ("from lib import table", "table.add"),
    ],
)
@pytest.mark.parametrize("effect", ["import plugs.one", "from plugs import one"])
def test_an_import_for_effect_goes_in(project: Project, imported: str, add: str, effect: str) -> None:
    """Plug-ins register themselves when they are imported, and nothing mentions their names."""
    project.write("lib/table.py", "TABLE = {}\ndef add(f):\n    TABLE[f.__name__] = f\n    return f\n")
    project.write("plugs/__init__.py", "")
    project.write("plugs/one.py", f"{imported}\n@{add}\ndef one(): ...\ndef other(): ...\n")
    body = "from lib.table import TABLE\n@app.workflow\nasync def main():\n    return TABLE['one']()\n"
    project.write("app.py", f"{HEAD}{effect}\n{body}")

    assert "one" in project.names("./plugs/one.py")
    assert "other" not in project.names("./plugs/one.py")


def test_endpoints_and_commands_stay_outside(project: Project) -> None:
    """What decorators of a framework register is no business of workflows that do not touch the framework's object."""
    body = (
        "import functools\nimport click\nweb = click.Group()\n"
        "@web.command()\ndef endpoint(): ...\n@functools.cache\ndef cached(): ...\n@app.cli\ndef command(): ...\n"
        "@app.workflow\nasync def main():\n    await app.start('x')\n    return functools.reduce\n"
    )
    project.write("app.py", f"{HEAD}{body}")

    assert project.names() == {"Torpor", "app", "functools", "main"}


def test_commands_of_an_application_elsewhere_stay_outside(project: Project) -> None:
    """The application is outside, whichever module makes it."""
    project.write("base.py", HEAD)
    body = "@app.cli\ndef command(): ...\n@app.workflow\nasync def main():\n    await app.start('x')\n"
    project.write("app.py", f"from base import app\n{body}")

    assert project.names() == {"app", "main"}
