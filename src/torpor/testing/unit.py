"""Tests of applications with unittest alone."""

from __future__ import annotations

import functools
import inspect
import unittest
from collections.abc import Mapping
from typing import Any, ClassVar

from torpor.app import Torpor
from torpor.testing.testbed import Testbed


class TestCase(unittest.IsolatedAsyncioTestCase):
    """
    A test case whose tests have a testbed, ``self.torpor``. When one fails, what its runs did stands in the report.

    ::

        class TestShop(TestCase):
            app = app

            async def test_order(self) -> None:
                run = await self.torpor.start(checkout, "o-1")
                self.assertEqual(await run.result(), "paid")

    Attributes:
        app: the application under test.
        options: further arguments of :class:`torpor.testing.Testbed`.
        torpor: the testbed of the test that runs.
    """

    app: ClassVar[Torpor]
    options: ClassVar[Mapping[str, Any]] = {}
    torpor: Testbed

    async def asyncSetUp(self) -> None:  # unittest's name
        self.torpor = await self.enterAsyncContext(Testbed(type(self).app, **self.options))

    def _callTestMethod(self, method: Any) -> None:  # noqa: N802  # unittest's name
        super()._callTestMethod(self._told(method))  # type: ignore[misc]  # it has no stub

    def _told(self, method: Any) -> Any:
        if not inspect.iscoroutinefunction(method):
            return method

        @functools.wraps(method)
        async def test() -> None:
            try:
                await method()
            except unittest.SkipTest:
                raise
            except Exception as error:
                error.add_note(f"\n{await self.torpor.story(besides=error)}")
                raise

        return test
