"""Finding and importing the application."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.cli.conftest import Torpor
from tests.cli.project import fresh_imports
from torpor.cli.loading import AppImportError, NoAppError, load_app, parse_target, required_target
from torpor.errors import ConfigurationError

ONE = "from torpor import Torpor\napp = Torpor()\n"
TWO = "from torpor import Torpor\nshop = Torpor()\nbank = Torpor()\n"


pytestmark = pytest.mark.usefixtures("empty")


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """Every test imports anew."""
    with fresh_imports():
        yield


def write(path: str, text: str) -> str:
    """Write a file and return its path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return path


def test_what_other_tests_have_imported_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their applications have modules called app and steps, too; each finds its own again."""
    write("other/app.py", ONE)
    load_app(parse_target("other/app.py"))
    others = sys.modules["app"]
    beside_tests = ModuleType("steps")
    beside_tests.__file__ = str(Path(__file__).parent.parent / "engine" / "steps.py")
    monkeypatch.setitem(sys.modules, "steps", beside_tests)

    write("app.py", ONE + "import steps\n")
    steps = write("steps.py", "")
    with fresh_imports():
        app = load_app(parse_target("app.py"))
        assert sys.modules["app"].app is app
        assert sys.modules["steps"].__file__ == str(Path(steps).resolve())

    assert sys.modules["app"] is others
    assert sys.modules["steps"] is beside_tests


@pytest.mark.parametrize("fails", [False, True])
def test_nobody_looks_for_garbage_while_it_is_imported(*, fails: bool) -> None:
    """And everybody behind it, whether it could be imported or not."""
    write("app.py", f"{ONE}import gc\nlooked = gc.isenabled()\nassert not {fails}\n")
    if fails:
        with pytest.raises(AppImportError):
            load_app(parse_target("app.py"))
    else:
        load_app(parse_target("app.py"))
        assert not sys.modules["app"].looked
    assert gc.isenabled()


def test_a_file_is_imported_under_its_module_name() -> None:
    """What `from app import app` gives elsewhere is the same object."""
    write("app.py", ONE)

    app = load_app(parse_target("app.py"))

    assert sys.modules["app"].app is app


def test_steps_register_with_the_same_application() -> None:
    """A step file that imports the application, and is imported by it, adds its steps to it."""
    write("app.py", ONE + "import steps\n")
    write("steps.py", "from app import app\n@app.step\nasync def add(a, b): return a + b\n")

    assert load_app(parse_target("app.py")).step_names() == ["step//./steps.py//add"]


def test_a_file_in_another_folder_finds_its_neighbours() -> None:
    """The file's folder comes first on the path, whatever the working folder is."""
    write("shop/app.py", ONE + "import prices\n")
    write("shop/prices.py", "")

    assert load_app(parse_target("shop/app.py")).root == Path("shop").resolve()
    assert sys.path[0] == str(Path("shop").resolve())


def test_a_name_chooses_between_applications() -> None:
    """`file:name` takes that one."""
    write("app.py", TWO)

    assert load_app(parse_target("app.py:bank")) is sys.modules["app"].bank


def test_a_module_is_found_from_the_working_folder() -> None:
    """`pkg.mod` and `pkg.mod:name` are imported as modules."""
    write("pkg/__init__.py", "")
    write("pkg/mod.py", TWO)

    assert load_app(parse_target("pkg.mod:shop")) is sys.modules["pkg.mod"].shop


def test_one_application_under_two_names_is_one() -> None:
    """An alias is not a second application."""
    write("app.py", ONE + "application = app\n")

    assert load_app(parse_target("app.py")) is sys.modules["app"].app


def test_app_py_is_taken_by_default() -> None:
    """Nothing needs to be said where there is an app.py."""
    write("app.py", ONE)

    assert required_target(None).module == "app"


def test_nothing_named_and_no_app_py() -> None:
    """The message names the folder that was looked into."""
    with pytest.raises(ConfigurationError, match=r"no application is named, and .*empty has no app\.py"):
        required_target(None)


@pytest.mark.parametrize("text", ["none.py", "none.py:app", "folder/none.py"])
def test_a_missing_file(text: str) -> None:
    """The message names the file."""
    with pytest.raises(ConfigurationError, match=r"none\.py does not exist"):
        parse_target(text)


@pytest.mark.parametrize("text", ["my app", "", ":app", "a-b:app", "a..b"])
def test_a_text_of_neither_form(text: str) -> None:
    """The message says which forms there are."""
    with pytest.raises(ConfigurationError, match="neither; give a file"):
        parse_target(text)


def test_a_missing_module() -> None:
    """The message names the module and where it was looked for."""
    with pytest.raises(ConfigurationError, match=r"module nowhere\.mod is not found from .*empty"):
        load_app(parse_target("nowhere.mod"))


def test_a_module_that_lacks_an_import_is_not_a_missing_module() -> None:
    """What the application itself fails to import is its own error."""
    write("mod.py", "import nowhere_at_all\n")

    with pytest.raises(AppImportError, match="ModuleNotFoundError: No module named 'nowhere_at_all'"):
        load_app(parse_target("mod"))


def test_a_file_of_a_package() -> None:
    """It cannot be imported alone; the message says how to name it."""
    write("shop/__init__.py", "")
    write("shop/base.py", ONE)
    write("shop/main.py", "from .base import app\n")

    with pytest.raises(AppImportError, match=r"so name it as a module, from the folder above: shop\.main$"):
        load_app(parse_target("shop/main.py"))
    assert load_app(parse_target("shop.main")).step_names() == []


def test_no_application_in_the_file() -> None:
    """The message says what to write."""
    write("app.py", "x = 1\n")

    with pytest.raises(NoAppError, match=r"app\.py has no Torpor application; write `app = Torpor\(\)`"):
        load_app(parse_target("app.py"))


def test_several_applications() -> None:
    """The message lists how to name each."""
    write("app.py", TWO)

    with pytest.raises(ConfigurationError, match=r"app\.py:bank, app\.py:shop"):
        load_app(parse_target("app.py"))


def test_a_name_that_is_no_application() -> None:
    """The message lists those there are."""
    write("app.py", TWO + "x = 1\n")

    with pytest.raises(ConfigurationError, match="x is no Torpor application; applications in app: bank, shop"):
        load_app(parse_target("app.py:x"))


def test_a_file_with_the_name_of_another_module() -> None:
    """A file that can never be imported by its name is refused, and not the other module taken."""
    write("json.py", ONE)

    with pytest.raises(ConfigurationError, match=r"json\.py has the name of another module, json"):
        load_app(parse_target("json.py"))


def test_a_file_that_is_no_module() -> None:
    """A dot in the name cannot be imported."""
    write("my.app.py", ONE)

    with pytest.raises(ConfigurationError, match=r"my\.app\.py cannot be imported by that name"):
        parse_target("my.app.py")


def test_the_traceback_is_the_users_alone() -> None:
    """Frames of Torpor and of the import machinery are left out, those of the user's files stay."""
    write("app.py", "import prices\n")
    write("prices.py", "def load():\n    return 1 / 0\nload()\n")

    with pytest.raises(AppImportError) as caught:
        load_app(parse_target("app.py"))

    files = [line.split('"')[1] for line in caught.value.trace.splitlines() if line.strip().startswith("File")]
    assert [Path(file).name for file in files] == ["app.py", "prices.py", "prices.py"]
    assert caught.value.trace.endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def (:\n", "SyntaxError"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
        ("from torpor import Torpor\nTorpor('nonsense://')\n", "ConfigurationError"),
    ],
)
def test_whatever_an_import_raises_is_told(torpor: Torpor, text: str, told: str) -> None:
    """The command ends with the traceback and one line."""
    write("app.py", text)

    result = torpor("program", "show")

    assert result.exit_code == 2
    assert 'app.py", line' in result.stderr
    assert "cli/loading.py" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error[CONFIGURATION]: app.py cannot be imported: ")
    assert told in result.stderr


PROJECT = '[project]\nname = "shop"\n[tool.torpor]\napp = {app}\n'


def test_the_environment_names_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """TORPOR_APP outranks the project's file and app.py, and is outranked by what is given."""
    for name in ("app", "one", "two"):
        write(f"{name}.py", ONE)
    write("pyproject.toml", PROJECT.format(app='"one.py"'))
    monkeypatch.setenv("TORPOR_APP", "two.py:app")

    assert required_target(None).module == "two"
    assert required_target("app.py").module == "app"
    monkeypatch.delenv("TORPOR_APP")
    assert required_target(None).module == "one"


@pytest.mark.parametrize(("named", "module"), [("flows/shop.py", "shop"), ("flows.shop:app", "flows.shop")])
def test_a_project_names_its_application(named: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to pyproject.toml, wherever in the project the command is given."""
    project = Path.cwd()
    write("flows/shop.py", ONE)
    write("pyproject.toml", PROJECT.format(app=f'"{named}"'))
    write("docs/images/a.txt", "")
    monkeypatch.chdir("docs/images")

    target = required_target(None)

    assert (target.module, load_app(target).root) == (module, project / "flows")


def test_a_project_that_names_none_is_passed_over() -> None:
    """app.py of the folder is taken then."""
    write("app.py", ONE)
    write("pyproject.toml", "[tool.ruff]\n")

    assert required_target(None).module == "app"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PROJECT.format(app="5"), "is 5; give a file"),
        (PROJECT.format(app='"gone.py"'), "application file gone.py does not exist"),
        ("[tool.torpor", "cannot be read"),
    ],
)
def test_a_wrong_project_says_so(text: str, problem: str) -> None:
    """The message names the file; app.py is not taken in its place."""
    write("app.py", ONE)
    file = Path(write("pyproject.toml", text)).resolve()

    with pytest.raises(ConfigurationError, match=re.escape(problem)) as caught:
        required_target(None)
    assert str(file) in str(caught.value)


def test_an_application_that_the_environment_names_must_be_one(torpor: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not passed over as somebody else's app.py is."""
    write("other.py", "app = object()\n")
    monkeypatch.setenv("TORPOR_APP", "other.py")

    result = torpor("runs")

    assert result.exit_code == 2
    assert "other.py has no Torpor application" in result.stderr


def test_a_project_of_the_workflow_sdk_is_an_application_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder may be named, and is taken where nothing is; what is built of it is built when it is needed."""
    write("web/package.json", '{"dependencies": {"workflow": "^5.0.0"}}')
    target = parse_target("web")
    assert (target.is_project, target.folder) == (True, Path("web").resolve())
    app = load_app(target)
    assert app.root == Path("web").resolve()
    monkeypatch.chdir("web")
    assert required_target(None).is_project


def test_another_folder_with_a_package_json_is_none() -> None:
    """Who names no Workflow SDK has no workflows for it."""
    write("web/package.json", '{"dependencies": {"express": "5"}}')
    with pytest.raises(ConfigurationError, match="does not exist"):
        parse_target("./web")


def test_dev_takes_a_project_or_an_application(torpor: Torpor) -> None:
    """Both at once, and what is no project, are refused."""
    write("web/package.json", '{"devDependencies": {"workflow": "^5.0.0"}}')
    write("app.py", ONE)
    assert "give an application or --sdk, not both" in torpor("dev", "app.py", "--sdk", "web").stderr
    assert "is no project of the Workflow SDK" in torpor("dev", "--sdk", ".").stderr
