"""Which modules a program may import, and what it is told when it may not."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.support import program
from tests.guests.support import begin, result
from torpor.errors import ConfigurationError, GuestTrapError
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Program


def test_a_program_has_modules_of_its_own(js: QuickJS) -> None:
    """
    Relative specifiers mean the program's modules, seen from the importing one.
    """
    files = {
        "./flows/main.js": 'import { a } from "./a.js"; import { b } from "../lib/b.js";\n'
        "export async function main() { return a + b; }",
        "./flows/a.js": 'export { one as a } from "../lib/one.js";',
        "./lib/b.js": 'import { one } from "./one.js"; export const b = one + 1;',
        "./lib/one.js": "export const one = 1;",
    }
    image = js.load(Program("quickjs", "", files, ["./flows/main.js"], {"main": ("./flows/main.js", "main")}))
    vm = js.lease(image)

    assert result(begin(vm, "main")) == 3
    vm.release()


def test_modules_are_found_lazily_in_a_run(js: QuickJS) -> None:
    """
    A dynamic import inside workflow code loads the program's module, also after a restore.
    """
    source = """
    export async function main() { return (await import("./late.js")).value; }"""
    vm = js.lease(js.load(program(source, late="export const value = 5;")))

    assert result(begin(vm, "main")) == 5
    vm.release()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ('import x from "lodash";', "./main.js imports 'lodash'; workflow code may import 'workflow'"),
        ('import x from "node:fs";', "./main.js imports 'node:fs'"),
        (
            'import x from "./gone.js";',
            "./main.js imports './gone.js', which is not part of the program; it has ./main.js",
        ),
        ('import x from "torpor:state";', "./main.js imports 'torpor:state', which belongs to Torpor itself"),
        ('import x from "../../etc/passwd";', "./main.js imports '../../etc/passwd', which is not part of the program"),
    ],
)
def test_other_imports_are_refused_with_importer_and_specifier(js: QuickJS, statement: str, complaint: str) -> None:
    """
    The error names who imports what, and what is possible.
    """
    with pytest.raises(ConfigurationError) as caught:
        js.load(program(f"{statement} export async function main() {{}}"))

    assert complaint in str(caught.value)


def test_evaluated_code_cannot_reach_the_bootstrap(js: QuickJS) -> None:
    """
    Code made from text at run time has no more modules than its author.
    """
    source = """
    export async function main() {
      try { await (0, eval)("import('torpor:state')"); } catch (e) { return e.message; }
    }"""
    vm = js.lease(js.load(program(source)))

    assert "'torpor:state', which belongs to Torpor itself" in result(begin(vm, "main"))
    vm.release()


@pytest.mark.parametrize("name", ["workflow", "torpor:main", "torpor:mine"])
def test_a_program_cannot_take_names_of_the_guest(js: QuickJS, name: str) -> None:
    """
    A program's module may not pretend to be the guest's.
    """
    with pytest.raises(ConfigurationError, match="which is Torpor's"):
        js.load(Program("quickjs", "", {name: ""}, [name], {}))


def test_a_syntax_error_says_file_and_line(js: QuickJS) -> None:
    """
    A program that does not compile is refused with the place.
    """
    with pytest.raises(ConfigurationError, match=r"SyntaxError(.|\n)*\./main\.js:3"):
        js.load(program("\n\nlet = = 1;\nexport async function main() {}"))


def test_a_module_that_throws_says_file_and_line(js: QuickJS) -> None:
    """
    An exception at module scope is refused with message and place.
    """
    with pytest.raises(ConfigurationError, match=r"Error: not today(.|\n)*\./main\.js:2"):
        js.load(program('\nthrow new Error("not today");\nexport async function main() {}'))


def test_a_program_that_spoils_the_guest_while_loading_is_refused(js: QuickJS) -> None:
    """
    Module scope that replaces JSON.stringify harms only its own program.
    """
    with pytest.raises(GuestTrapError, match="spoiled the guest"):
        js.load(program("JSON.stringify = () => '['; export async function main() {}"))

    assert js.load(program("export async function main() {}")).per_run is None


def test_a_bad_program_leaves_the_guest_usable(js: QuickJS) -> None:
    """
    After a refused program the next one loads.
    """
    with pytest.raises(ConfigurationError):
        js.load(program("oops("))

    vm = js.lease(js.load(program("export async function main() { return typeof oops; }")))
    assert result(begin(vm, "main")) == "undefined"
    vm.release()
