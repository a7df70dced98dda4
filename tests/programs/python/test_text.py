"""What the program says of a module: lines stay, steps become proxies, workflows are marked."""

from __future__ import annotations

import ast
import asyncio
import textwrap
from pathlib import Path

import pytest

import torpor
from tests.programs.python.projects import HEAD, Project
from torpor.programs.python.finding import Source
from torpor.programs.python.module import read_module
from torpor.programs.python.text import program_text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project."""
    monkeypatch.syspath_prepend(tmp_path)
    return Project(tmp_path)


def lines(project: Project, body: str, *, head: str = HEAD) -> list[str]:
    """Return what goes in of an app.py, without its head."""
    project.write("app.py", head + textwrap.dedent(body))
    return project.text().splitlines()[head.count("\n") :]


SOURCES = [*Path(torpor.__file__).parent.glob("*.py"), *Path(asyncio.__file__).parent.glob("*.py")]


def test_a_module_that_goes_in_whole_says_the_same_on_the_same_lines() -> None:
    """Real modules, dozens of them: the same syntax, each node at its line and column."""
    for path in SOURCES:
        module = read_module(Source("m", "./m.py", path), {}, {})
        for statement in module.statements:
            statement.kept = True
        whole = [node for node in module.tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]

        text = program_text(module)

        made = [node for node in ast.parse(text).body if not isinstance(node, ast.Import | ast.ImportFrom)]
        assert len(made) == len(whole), path
        for old, new in zip(whole, made, strict=True):
            assert ast.dump(old, include_attributes=True) == ast.dump(new, include_attributes=True), path
        imports = [
            {ast.dump(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
            for tree in (module.tree, ast.parse(text))
        ]
        assert imports[0] == imports[1], path


def test_a_step_is_a_proxy_on_its_lines(project: Project) -> None:
    """Decorators, defaults, annotations and the body go; the name stays where it was."""
    body = """\
    @app.step(
        max_retries=3,
    )
    @app.on
    async def charge(order: boom = boom()) -> str:
        '''Charge.'''
        return boom

    @app.step
    def ship(): ...
    @app.workflow
    async def main(): return charge, ship
    """

    assert lines(project, body) == [
        "",
        "",
        "",
        '@__torpor_step__("step//./app.py//charge")',
        "async def charge(*args, **kwargs): ...",
        "",
        "",
        "",
        '@__torpor_step__("step//./app.py//ship")',
        "def ship(*args, **kwargs): ...",
        '@__torpor_workflow__("workflow//./app.py//main")',
        "async def main(): return charge, ship",
    ]


def test_a_step_that_may_be_given_up_says_so(project: Project) -> None:
    """Only where its decorator says True."""
    body = """\
    @app.step(cancellable=True)
    async def charge(): ...
    @app.step(cancellable=False)
    async def ship(): ...
    @app.workflow
    async def main(): return charge, ship
    """

    assert lines(project, body)[:4] == [
        '@__torpor_cancellable__(__torpor_step__("step//./app.py//charge"))',
        "async def charge(*args, **kwargs): ...",
        '@__torpor_step__("step//./app.py//ship")',
        "async def ship(*args, **kwargs): ...",
    ]


def test_steps_in_classes_become_proxies_there(project: Project) -> None:
    """Static methods and class methods stay what they are."""
    body = """\
    class Billing:
        rate = 2
        @staticmethod
        @app.step
        async def charge(cents):
            return boom
        @app.step
        def refund(self):
            return boom
        @classmethod
        @app.step
        def below(cls):
            return boom
        @app.step
        @classmethod
        def above(cls):
            return boom
    @app.workflow
    async def main(): return Billing
    """

    assert lines(project, body)[:17] == [
        "class Billing:",
        "    rate = 2",
        "    @staticmethod",
        '    @__torpor_step__("step//./app.py//Billing.charge")',
        "    async def charge(*args, **kwargs): ...",
        "",
        '    @__torpor_step__("step//./app.py//Billing.refund")',
        "    def refund(*args, **kwargs): ...",
        "",
        "    @classmethod",
        '    @__torpor_class_step__("step//./app.py//Billing.below")',
        "    def below(*args, **kwargs): ...",
        "",
        '    @__torpor_class_step__("step//./app.py//Billing.above")',
        "    @classmethod",
        "    def above(*args, **kwargs): ...",
        "",
    ]


def test_workflows_under_conditions_keep_their_place(project: Project) -> None:
    """What registers them stands as deep as it stood."""
    project.write("app.py", HEAD + "if True:\n    @app.workflow\n    async def main():\n        return 1\n")

    assert '    @__torpor_workflow__("workflow//./app.py//main")\n    async def main():' in project.text()


def test_steps_under_conditions_become_proxies(project: Project) -> None:
    """Whichever definition is taken, its body is not the guest's."""
    body = """\
    if True:
        @app.step
        def charge(): return boom
    else:
        @app.step
        def charge(): return boom
    @app.workflow
    async def main(): return charge
    """

    assert [line for line in lines(project, body) if "boom" in line] == []


@pytest.mark.parametrize(
    ("before", "step", "expected"),
    [
        ("\n", "def charge(): boom", ['@__torpor_step__("s")', "def charge(*args, **kwargs): ...", ""]),
        ("X = 1\n", "def charge():\n    boom", ["X = 1", '@__torpor_step__("s")', "def charge(*args, **kwargs): ..."]),
        ("X = 1\n", "def charge(): boom", ["X = 1", 'charge = __torpor_step__("s")(lambda *args, **kwargs: ...)', ""]),
    ],
)
def test_a_step_that_was_registered_by_a_call_is_a_proxy_too(
    project: Project, before: str, step: str, expected: list[str]
) -> None:
    """It has no decorator's line; the mark stands above, or on its first line."""
    file = project.write("app.py", f"{before}{step}\nasync def main(): return charge, X\n")
    module = read_module(Source("app", "./app.py", file), {"charge": "s"}, {"main": "w"})
    for statement in module.statements:
        statement.kept = True

    made = program_text(module).splitlines()

    assert made[:3] == [*expected[:2], expected[2] or "async def main(): return charge, X"]
    assert made[-1] == 'main = __torpor_workflow__("w")(main)'


def test_other_decorators_of_workflows_stay(project: Project) -> None:
    """Only the registering one is replaced, on the first of its lines."""
    body = """\
    def logged(function): return function
    @logged
    @app.workflow(
        name="pay",
    )
    @logged
    async def main(): ...
    """

    assert lines(project, body)[1:] == [
        "@logged",
        '@__torpor_workflow__("workflow//./app.py//main")',
        "",
        "",
        "@logged",
        "async def main(): ...",
    ]


def test_comments_go_and_strings_stay(project: Project) -> None:
    """What looks like a comment in a string is none; blanks at ends of its lines matter."""
    body = (
        "@app.workflow  # one\nasync def main():  # two\n"
        "    return '''# three  \n  ''', '# four', f'''#{1}  \n'''  # five\n"
    )

    assert lines(project, body) == [
        '@__torpor_workflow__("workflow//./app.py//main")',
        "async def main():",
        "    return '''# three  ",
        "  ''', '# four', f'''#{1}  ",
        "'''",
    ]


def test_statements_that_share_a_line_are_told_apart(project: Project) -> None:
    """Columns are counted in bytes by ast, and in characters by people."""
    body = "a = 'ä'; b = 'ö'; c = [\n  'ü']; d = 1\n@app.workflow\nasync def main(): return a, c\n"

    assert lines(project, body)[:2] == ["a = 'ä'; c = [", "  'ü']"]


def test_an_import_keeps_only_the_names_that_are_reached(project: Project) -> None:
    """The others might not exist in the guest."""
    project.write("rates.py", "low = high = 1\n")
    body = "from rates import (\n    low,\n    high as top,\n)\n@app.workflow\nasync def main(): return top\n"

    assert lines(project, body)[:4] == ["from rates import high as top", "", "", ""]


def test_windows_line_ends_make_the_same_program(project: Project) -> None:
    """A checkout on another system has the same address."""
    text = HEAD + "@app.workflow\nasync def main():\n    return '''\n'''\n"
    project.write("app.py", text)
    before = project.text()
    (project.folder / "app.py").write_bytes(text.replace("\n", "\r\n").encode())

    assert project.text() == before
