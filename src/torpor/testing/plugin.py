"""
The pytest plugin: the fixture ``torpor``, the marker of that name, and what runs did in the reports of failed tests.

Torpor is imported when the first test asks for the fixture, not before. A test with the fixture is an ``async def``: of
pytest-asyncio or anyio where one of them runs it, else this plugin runs it itself.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torpor.app import Torpor
    from torpor.testing.testbed import Testbed

_MARKER = "torpor(runtime=, world=, now=, timeout=): how the testbed of the fixture `torpor` is made for a test"
_FIXTURE = "torpor"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def torpor_app() -> Torpor:
    """
    Return the application under test: that of TORPOR_APP, of ``[tool.torpor] app`` in pyproject.toml, or of app.py.

    A conftest.py may have a fixture of this name that returns another one.
    """
    from torpor.cli.loading import load_app, required_target  # noqa: PLC0415  # see above

    return load_app(required_target(None))


@pytest.fixture
def torpor(torpor_app: Torpor, request: pytest.FixtureRequest) -> Testbed:
    """
    Return a testbed: the application in a world in memory, with a worker, and with time that skips.

    See :class:`torpor.testing.Testbed`. The test itself has to be ``async def``; the testbed is open while it runs.
    """
    from torpor.testing.testbed import Testbed  # noqa: PLC0415  # see above

    markers = reversed(list(request.node.iter_markers(_FIXTURE)))  # the closest one says most
    options = {name: value for marker in markers for name, value in marker.kwargs.items()}
    return Testbed(torpor_app, **options)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Open the testbed around the test, in the event loop that the test runs in, whoever runs it."""
    bed = _testbed_of(item)
    if bed is None:
        return (yield)
    test = item.obj  # type: ignore[attr-defined]  # a test function has one
    if not inspect.iscoroutinefunction(test):
        pytest.fail(
            f"{item.name} has the fixture `torpor`, which needs an event loop; make it `async def`", pytrace=False
        )

    @functools.wraps(test)
    async def opened(*args: Any, **kwargs: Any) -> None:
        async with bed:
            try:
                await test(*args, **kwargs)
            except Exception as error:
                item.add_report_section("call", "torpor", await bed.story(besides=error))
                raise

    item.obj = opened  # type: ignore[attr-defined]
    try:
        return (yield)
    finally:
        item.obj = test  # type: ignore[attr-defined]


@pytest.hookimpl
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Run a test with the fixture that no other plugin has taken."""
    if _testbed_of(pyfuncitem) is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    import asyncio  # noqa: PLC0415  # see above

    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001  # as pytest's own call of a test has it
    with asyncio.Runner() as runner:
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def _testbed_of(item: pytest.Item) -> Testbed | None:
    """Return the testbed of a test; None without the fixture, and for somebody else's fixture of that name."""
    testbed = sys.modules.get("torpor.testing.testbed")  # there is none before the fixture has imported it
    found = getattr(item, "funcargs", {}).get(_FIXTURE)
    return found if testbed is not None and isinstance(found, testbed.Testbed) else None
