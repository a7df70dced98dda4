"""
The plan of the house, checked: who may import whom, who may read the time, how things are named.

Each guard is a function from source text to a list of complaints. One test runs it over the tree; the tests next to it
feed it what it must refuse and what it must not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "torpor"
GUEST_SIDE = SOURCE / "guests" / "cpython" / "bootstrap"  # runs inside the guest, where the clock is the log's

# From the top of the house to its ground. "torpor" is the package's own __init__: the public names.
FLOORS = (
    {"__main__", "cli", "compat", "http", "integrations", "mcp", "testing"},
    {"torpor"},
    {"inspection"},
    {
        "agents",
        "app",
        "authority",
        "builtin_steps",
        "capsules",
        "fetching",
        "client",
        "run_failure",
        "run_handle",
        "health",
        "forking",
        "late_forking",
        "hook_info",
        "moments",
        "parked",
        "registry",
        "run_info",
        "sdk",
        "sdk_entities",
        "step",
        "sync",
        "tenants",
        "sync_plans",
        "sync_tenants",
        "travelling",
        "webhooks",
        "workflow",
    }
    | {"queues", "scheduler", "schedules", "scheduling", "ticking", "worker_processes"},
    {"engine"},
    {"programs", "guests"},
    {"vm", "worlds", "codec"},
    {"world", "processes", "retention"},
    {
        "model",
        "attributes",
        "calling_thread",
        "starting",
        "lifecycle",
        "ids",
        "errors",
        "limits",
        "clock",
        "durations",
        "expecting",
        "retries",
        "project",
        "signatures",
        "signing",
        "stream_names",
        "tenant_names",
        "thread_start",
        "tracing",
        "webhook_options",
    },
)
STRANGERS = {"vm", "worlds", "codec"}  # share a floor and know nothing of one another
FLOOR_OF = {room: height for height, floor in enumerate(reversed(FLOORS)) for room in floor}

WALL_CLOCKS = {
    "time.time", "time.time_ns", "time.ctime", "time.localtime", "time.gmtime", "time.clock_gettime",
    "time.clock_gettime_ns", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
    "datetime.date.today",
}  # fmt: skip

# Codes that a run's failure shares between causes; every other code names one class.
SHARED_CODES = {"RUNTIME_ERROR", "LIMIT_EXCEEDED"}

NAMELESS = {"util", "utils", "helper", "helpers", "misc", "common"}

# In two parts, so that this file does not name them itself.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("npmjs", "org"), ("npmjs", "com"), ("pypi", "org"), ("pythonhosted", "org"), ("yarnpkg", "com"),
        ("debian", "org"), ("unpkg", "com"), ("jsdelivr", "net"), ("golang", "org"),
    )
)  # fmt: skip
DOWNLOAD = re.compile(r"https?://[^\s\"'<>)]+\.(?:tgz|tar\.\w+|whl|zip|deb)\b")
UNTRACKED = {"node_modules", "build", "dist", "__pycache__", "wasm"}


# ── Imports go down the floors only ───────────────────────────────────────────────────────────────────────────────────


def imported_modules(module: str, tree: ast.Module, *, is_package: bool) -> list[str]:
    """Return the full name of everything that a module imports from torpor, also where only a type checker sees it."""
    here = module if is_package else module.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here.split(".")[: len(here.split(".")) - node.level + 1] if node.level else []
            origin = [*above, node.module] if node.module else above
            names += [".".join([*origin, alias.name]) for alias in node.names]
    return [name for name in names if name.split(".")[0] == "torpor"]


def room_of(module: str) -> str:
    """Return the room that a module is in: ``vm`` for ``torpor.vm.delta``, ``torpor`` for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "torpor"


def room_meant(name: str) -> str:
    """Return the room that an imported name is in: ``torpor.Torpor`` is no module, hence in ``torpor``."""
    room = room_of(name)
    is_module = room in FLOOR_OF or (SOURCE / room).is_dir() or (SOURCE / f"{room}.py").is_file()
    return room if is_module else "torpor"


def climbing_imports(module: str, text: str, *, is_package: bool = False) -> list[str]:
    """Complain of imports that go up, or sideways between strangers, and of a room without a floor."""
    room = room_of(module)
    if room not in FLOOR_OF:
        return [f"{module}: give the room {room!r} a place in FLOORS"]
    complaints = []
    for name in imported_modules(module, ast.parse(text), is_package=is_package):
        other = room_meant(name)
        if other == room:
            continue
        if other not in FLOOR_OF:
            complaints.append(f"{module} imports {name}: give the room {other!r} a place in FLOORS")
        elif FLOOR_OF[other] > FLOOR_OF[room]:
            complaints.append(f"{module} imports {name}: {other!r} is above {room!r}")
        elif {room, other} <= STRANGERS:
            complaints.append(f"{module} imports {name}: {room!r} and {other!r} know nothing of one another")
    return complaints


def test_imports_go_down_the_floors_only() -> None:
    """No module imports from a floor above its own, nor do vm, worlds and codec import one another."""
    assert not complaints_of(
        lambda path, text: climbing_imports(module_name(path), text, is_package=path.name == "__init__.py")
    )


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("torpor.model", "from torpor.world import World"),
        ("torpor.model", "from torpor import Torpor"),
        ("torpor.model", "import torpor"),
        ("torpor.vm.delta", "import torpor.engine.turn"),
        ("torpor.vm.delta", "from torpor import worlds"),
        ("torpor.vm.delta", "from ..codec import decode"),
        ("torpor.codec.wire.devalue", "from torpor.vm.guest import Guest"),
        ("torpor.engine.turn", "def late():\n    from torpor.client import start"),
        ("torpor.client", "if TYPE_CHECKING:\n    from torpor.cli import main"),
        ("torpor.engine.turn", "from torpor.testing import MemoryWorld"),
        ("torpor.programs.catalogue", "from torpor.engine.images import Images"),
        ("torpor.vm.instance", "from torpor.guests import cpython"),
        ("torpor.client", "from torpor.inspection import RunInfo"),
        ("torpor.inspection.history", "from torpor.cli.output import Table"),
        ("torpor.attic", "import json"),
    ],
)
def test_an_import_that_climbs_is_found(module: str, line: str) -> None:
    """An upward or sideways import is refused, however it is spelled; so is a room without a floor."""
    assert climbing_imports(module, line)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("torpor.engine.turn", "from torpor.vm.guest import Guest\nfrom torpor import world, errors\nimport json"),
        ("torpor.vm.delta", "from .image import Image\nfrom ..errors import SnapshotError"),
        ("torpor.model", "from torpor.lifecycle import EventType"),
        ("torpor.cli", "from torpor import Torpor\nfrom torpor.http import asgi"),
        ("torpor.programs", "from torpor.guests.cpython import CPython\nfrom torpor.codec import classes"),
        ("torpor.inspection.stack", "from torpor.engine.parked import parked"),
        ("torpor.testing.worlds", "from torpor.worlds.sqlite import SqliteWorld\nfrom torpor.engine import turn"),
        ("torpor", "from torpor.app import Torpor"),
    ],
)
def test_an_import_that_goes_down_is_allowed(module: str, line: str) -> None:
    """Downward imports pass, and so do those inside a room, on the ground floor and of other packages."""
    assert climbing_imports(module, line) == []


# ── No circles of files ───────────────────────────────────────────────────────────────────────────────────────────────


def circles(modules: Mapping[str, tuple[str, bool]]) -> list[str]:
    """
    Complain of each group of files that import one another, late imports and those of type checkers included.

    Args:
        modules: full name → the source text, and whether it is a package's ``__init__``. That a module's packages are
            imported before it, as Python does, counts only where the source says so.
    """
    needs = {
        module: {
            found
            for name in imported_modules(module, ast.parse(text), is_package=is_package)
            if (found := file_meant(name, modules)) != module
        }
        & modules.keys()
        for module, (text, is_package) in modules.items()
    }
    return [
        f"these files form a circle: {', '.join(sorted(group))}; move what they share into a file below, or let the "
        f"lower one take a protocol"
        for group in strongly_connected(needs)
    ]


def file_meant(name: str, modules: Iterable[str]) -> str:
    """Return the module that an imported name is, or is in: ``torpor.vm.delta`` for ``torpor.vm.delta.apply``."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def strongly_connected(needs: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the groups of two and more nodes that all reach one another."""
    reach = {node: reachable(node, needs) for node in needs}
    groups: list[set[str]] = []
    for node in needs:
        group = {node, *(other for other in reach[node] if node in reach[other])}
        if len(group) > 1 and group not in groups:
            groups.append(group)
    return groups


def reachable(start: str, needs: Mapping[str, set[str]]) -> set[str]:
    """Return every node that arrows lead to from *start*."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = needs[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def test_no_files_form_a_circle() -> None:
    """Every file can be read after those that it imports: there is an order in which nothing comes before its needs."""
    modules = {
        module_name(path): (path.read_text(encoding="utf-8"), path.name == "__init__.py")
        for path in SOURCE.rglob("*.py")
        if GUEST_SIDE not in path.parents
    }
    assert circles(modules) == []


@pytest.mark.parametrize(
    "modules",
    [
        {"torpor.a": "import torpor.b", "torpor.b": "from torpor import a"},
        {"torpor.a": "from torpor.b import B", "torpor.b": "from .c import C", "torpor.c": "from .a import A"},
        {"torpor.a": "from torpor.b import B", "torpor.b": "def late():\n    from torpor.a import A"},
        {"torpor.a": "from torpor.b import B", "torpor.b": "if TYPE_CHECKING:\n    from torpor.a import A"},
        {"torpor.room": "from torpor.room.a import A", "torpor.room.a": "from torpor.room import B"},
        {"torpor.room": "from . import a", "torpor.room.a": "from torpor.room import B"},
    ],
)
def test_a_circle_is_found(modules: dict[str, str]) -> None:
    """Two files or more, whichever way they are imported, and a package with its own module, are one complaint."""
    found = circles({name: (text, f"{name}.a" in modules) for name, text in modules.items()})
    assert len(found) == 1
    assert all(name in found[0] for name in modules)


def test_two_circles_are_two_complaints() -> None:
    """Each circle is told apart, without the files that only lead to it."""
    texts = {
        "torpor.a": "import torpor.b",
        "torpor.b": "import torpor.a",
        "torpor.c": "import torpor.d, torpor.a",
        "torpor.d": "import torpor.c",
        "torpor.e": "import torpor.a",
    }
    found = circles({name: (text, False) for name, text in texts.items()})
    assert len(found) == 2
    assert not any("torpor.e" in complaint for complaint in found)


@pytest.mark.parametrize(
    "modules",
    [
        {"torpor.a": "from torpor.b import B\nfrom torpor.c import C", "torpor.b": "import torpor.c", "torpor.c": ""},
        {"torpor.room": "from .a import A", "torpor.room.a": "from .b import B", "torpor.room.b": "import torpor.c"},
        {"torpor.a": "import torpor.a", "torpor.b": "import json\nfrom elsewhere import a"},
    ],
)
def test_files_that_form_no_circle_are_allowed(modules: dict[str, str]) -> None:
    """A diamond passes, and so does a package that offers what its modules hold."""
    assert circles({name: (text, f"{name}.a" in modules) for name, text in modules.items()}) == []


# ── One clock ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def wall_clocks(text: str) -> list[str]:
    """Complain of every mention of a function that reads the time of day. Measuring a duration is not that."""
    tree = ast.parse(text)
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origins |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origins |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    mentions = (node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute))
    return [
        f"line {node.lineno} reads the time through {name}; take a torpor.clock.Clock"
        for node in mentions
        if (name := dotted_name(node, origins)) in WALL_CLOCKS
    ]


def dotted_name(node: ast.expr, origins: dict[str, str]) -> str:
    """Return the full name that an expression stands for, given what the imported names stand for, or ``""``."""
    match node:
        case ast.Name(id=name):
            return origins.get(name, "")
        case ast.Attribute(value=value, attr=attribute) if owner := dotted_name(value, origins):
            return f"{owner}.{attribute}"
        case _:
            return ""


def test_nothing_but_the_clock_reads_the_time() -> None:
    """Only clock.py asks the machine for the time of day."""
    assert not complaints_of(lambda path, text: [] if path == SOURCE / "clock.py" else wall_clocks(text))


@pytest.mark.parametrize(
    "text",
    [
        "import time\nnow = time.time()",
        "import time as t\nnow = t.time_ns()",
        "from time import time as now\nprint(now())",
        "import time\nfield(default_factory=time.time)",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import UTC, datetime\ndatetime.now(UTC)",
        "from datetime import date\ndate.today()",
    ],
)
def test_a_reading_of_the_time_is_found(text: str) -> None:
    """The time of day is refused, called or handed on, under whatever name it was imported."""
    assert wall_clocks(text)


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.monotonic() - time.perf_counter()",
        "clock.now()",
        "from datetime import datetime\ndatetime(1, 1, 1)",
    ],
)
def test_measuring_a_duration_is_allowed(text: str) -> None:
    """Stopwatches, a Clock and calendar arithmetic pass."""
    assert wall_clocks(text) == []


# ── Names and docstrings ──────────────────────────────────────────────────────────────────────────────────────────────


def nameless(path: Path) -> list[str]:
    """Complain of a file or folder whose name says nothing of what is in it."""
    return [f"{part!r} says nothing; name the idea" for part in path.with_suffix("").parts if part in NAMELESS]


def test_every_file_is_named_after_its_idea() -> None:
    """There is no utils.py, under that or a similar name."""
    assert not complaints_of(lambda path, _text: nameless(path.relative_to(SOURCE)))


@pytest.mark.parametrize("path", ["utils.py", "vm/helpers.py", "common/delta.py"])
def test_a_name_that_says_nothing_is_found(path: str) -> None:
    """A drawer for everything is refused, as a file and as a folder."""
    assert nameless(Path(path))


def test_a_name_that_says_something_is_allowed() -> None:
    """Ordinary names pass."""
    assert nameless(Path("vm/delta.py")) == []


def undocumented(text: str) -> list[str]:
    """Complain of a module without a docstring."""
    return [] if ast.get_docstring(ast.parse(text)) else ["says nothing about itself in a docstring"]


def test_every_module_has_a_docstring() -> None:
    """A reader learns from the first lines of a file what it is for."""
    assert not complaints_of(lambda _path, text: undocumented(text))


@pytest.mark.parametrize("text", ["", "x = 1\n'late'", '"""   """'])
def test_a_missing_docstring_is_found(text: str) -> None:
    """An absent, a late and a blank docstring are refused."""
    assert undocumented(text)


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def nameless_errors(text: str) -> list[str]:
    """Complain of error classes without a code of their own, with another's code, or missing from the drawn tree."""
    tree = ast.parse(text)
    drawing = ast.get_docstring(tree) or ""
    owners: dict[str, str] = {}
    complaints = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        code = own_code(node)
        if code is None or not re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code):
            complaints.append(f"{node.name} has no code of its own in capitals, but {code!r}")
        elif owners.setdefault(code, node.name) != node.name and code not in SHARED_CODES:
            complaints.append(f"{node.name} has the code of {owners[code]}, {code}")
        if not re.search(rf"\b{node.name}\b", drawing):
            complaints.append(f"{node.name} is missing from the tree in the module's docstring")
    return complaints


def own_code(node: ast.ClassDef) -> str | None:
    """Return the text assigned to ``code`` in a class body."""
    for statement in node.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code)))
                | ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code)))
            ):
                return code
    return None


def test_every_error_has_its_own_code_and_its_place_in_the_drawing() -> None:
    """Programs can tell errors apart by code, and readers see all of them in one tree."""
    assert nameless_errors((SOURCE / "errors.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "classes",
    [
        "class AError(Exception): ...",
        "class AError(Exception): code = 'a'",
        "class AError(Exception): code = 'SAME'\nclass BError(AError): code = 'SAME'",
        "class AError(Exception): code = 'A'\nclass BError(AError): ...",
        "class CError(Exception): code = 'C'",
    ],
)
def test_an_error_that_cannot_be_told_apart_is_found(classes: str) -> None:
    """A missing, an inherited, a lower-case and a borrowed code are refused, and a class that is not drawn."""
    assert nameless_errors(f'"""AError, BError"""\n{classes}')


def test_errors_that_can_be_told_apart_are_allowed() -> None:
    """Different codes pass, and so do codes that run failures share."""
    shared = "class AError(Exception): code: str = 'RUNTIME_ERROR'\nclass BError(AError): code = 'RUNTIME_ERROR'"
    assert nameless_errors(f'"""AError, BError"""\n{shared}') == []


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def addresses(text: str) -> list[str]:
    """Complain of registries' hosts and download addresses: where packages come from is for pip and npm to know."""
    hosts = [host for host in REGISTRY_HOSTS if re.search(rf"\b{re.escape(host)}\b", text)]
    return [f"names {found}" for found in [*hosts, *DOWNLOAD.findall(text)]]


def test_no_file_names_a_registry() -> None:
    """A mirror or a proxy works without a change here, because no file says where packages come from."""
    complaints = [
        f"{path.relative_to(ROOT)} {complaint}"
        for path in tracked_files()
        for complaint in addresses(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert complaints == []


@pytest.mark.parametrize(
    "text",
    [
        *(f"see https://{host}/x" for host in REGISTRY_HOSTS),
        f'"resolved": "https://registry.{REGISTRY_HOSTS[0]}/a/-/a-1.0"',
        f"curl https://example.com/node-24{'.tar'}.xz",
        f"https://example.com/a-1.0-py3-none-any{'.whl'}",
    ],
)
def test_an_address_is_found(text: str) -> None:
    """A registry's host and a link to an archive are refused."""
    assert addresses(text)


@pytest.mark.parametrize("text", ["https://github.com/ulid/spec", "a zip file", "npm pack", "notpypi.organic"])
def test_other_addresses_are_allowed(text: str) -> None:
    """Links to documents pass."""
    assert addresses(text) == []


# ── What the guards look at ───────────────────────────────────────────────────────────────────────────────────────────


def complaints_of(guard: Callable[[Path, str], list[str]]) -> list[str]:
    """Run a guard over every host module and say where its complaints belong."""
    return [
        f"{path.relative_to(ROOT)}: {complaint}"
        for path in sorted(SOURCE.rglob("*.py"))
        if GUEST_SIDE not in path.parents
        for complaint in guard(path, path.read_text(encoding="utf-8"))
    ]


def module_name(path: Path) -> str:
    """Return the full name under which a source file is imported."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tracked_files() -> Iterator[Path]:
    """Yield the files that a commit would hold: no tool's cache, no build artefact, nothing fetched."""
    for path in ROOT.rglob("*"):
        folders = path.relative_to(ROOT).parts[:-1]
        hidden = any(part.startswith(".") and part != ".ci" for part in folders)
        if path.is_file() and not hidden and not UNTRACKED & set(folders):
            yield path


def test_the_guards_see_the_tree() -> None:
    """The guards look at the source and not at an empty list."""
    assert SOURCE / "errors.py" in set(SOURCE.rglob("*.py"))
    assert {ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / ".ci" / "run", SOURCE / "errors.py"} <= set(
        tracked_files()
    )
