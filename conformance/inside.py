"""
Runs the tests of one module of CPython's within a workflow. This file is part of a program in the guest.

Tests of an ``IsolatedAsyncioTestCase`` are awaited by the workflow, in the run's own loop. All others are called while
no loop seems to run, so that they may make loops: those get one in virtual time, since the guest refuses to make any.
"""

# mypy: ignore-errors

import asyncio
import builtins
import contextvars
import functools
import heapq
import importlib
import inspect
import io
import math
import os
import sys
import types
import unittest
from asyncio import base_events, events, futures, runners, tasks
from unittest.case import _addSkip, _Outcome

from torpor._guest.finder import finder

_DETAIL_CHARS = 300

# Modules that skip themselves as a whole without what hardly any of their tests needs.
_SOCKETLESS = ("test.test_asyncio.", "test.test_asyncgen", "test.test_contextlib_async", "test.test_coroutines")
_PROCESSLESS = ("test.test_argparse", "test.test_getopt")
_EXTENSIONLESS = {"test.test_bytes": "_testlimitedcapi", "test.test_with": "_testinternalcapi"}


@__torpor_step__("step//conformance//tell")
async def tell(*_):
    """Tell the host the outcome of a test, and the name of the next one."""


@__torpor_workflow__("workflow//conformance//main")
async def main(names, files, done):
    """
    Run the tests of modules.

    Args:
        names: of the modules; what belongs to the others is the first one's.
        files: path → text of those that there are.
        done: tests that are not to be run.
    """
    _make_loops_possible()
    support = importlib.import_module("test.support")
    support.use_resources, support.verbose = [], 0
    if names[0].startswith(_SOCKETLESS):  # they skip themselves without, though hardly any of their tests needs one
        support.has_socket_support = True
        _import_as_if_files_were_there("test.test_asyncio.utils")
    support.has_subprocess_support = names[0].startswith(_PROCESSLESS)
    if (extension := _EXTENSIONLESS.get(names[0])) is not None:
        sys.modules[extension] = _Empty(extension)
    _lay_out(files)
    result = _Result()
    suite = unittest.TestSuite()
    for name in names:
        try:
            suite.addTests(_loaded(importlib.import_module(name)))
        except unittest.SkipTest as skip:
            await tell("", [f"{name}.(module)", "skipped", str(skip)])
        except Exception as error:
            await tell("", [f"{name}.(module)", "failed", f"{type(error).__name__}: {error}"])
    fixtures = _Fixtures(result)
    for test in list(_tests(suite)):
        if test.id() in done:
            continue
        await tell(test.id(), result.take())
        result.begin(test.id())
        if await fixtures.enter(type(test)):
            await _run(test, result)
    await tell("", result.take())
    await fixtures.enter(None)
    await tell("", result.take())


def _loaded(module):
    """Return the tests of a module, without those that other modules have, which are run for themselves."""
    if hasattr(module, "__path__"):
        vars(module).pop("load_tests", None)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


class _Empty(types.ModuleType):
    """A module of the interpreter's own tests that the guest lacks; all that is in it is of no use."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return 2**31 - 1 if name.isupper() else object


class _Result(unittest.TestResult):
    """Collects what became of the tests since the last call of ``take``: [name, outcome, detail] each."""

    def __init__(self):
        super().__init__()
        self._name = self._outcome = None

    def begin(self, name):
        self._name, self._outcome = name, None

    def take(self):
        if self._name is None:
            return None
        taken, self._name = [self._name, *(self._outcome or ("passed", ""))], None
        return taken

    def addError(self, test, err):
        self._fail(err)

    def addFailure(self, test, err):
        self._fail(err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._fail(err)

    def addSkip(self, test, reason):
        self._outcome = self._outcome or ("skipped", reason)

    def addUnexpectedSuccess(self, test):
        self._outcome = ("failed", "unexpected success")

    def _fail(self, err):
        if self._outcome is None or self._outcome[0] != "failed":
            text = f"{err[0].__name__}: {err[1]}"
            self._outcome = ("failed", text.encode("utf-8", "backslashreplace").decode()[:_DETAIL_CHARS])


class _Fixtures:
    """Sets modules and classes up, and tears them down when a test of another one comes."""

    def __init__(self, result):
        self._result, self._class, self._module = result, None, None
        self._usable = True

    async def enter(self, case):
        """Make a class the current one; return whether its tests can be run."""
        if case is not self._class:
            self._leave_class()
            self._enter_module(case)
            self._class = case
            self._usable = self._set_up(case)
        if not self._usable and case is not None and self._result._outcome is None:
            self._result._outcome = ("failed", "the class could not be set up")
        return self._usable

    def _set_up(self, case):
        if case is None:
            return False
        if getattr(case, "__unittest_skip__", False):
            return True
        return self._attempt(getattr(case, "setUpClass", None))

    def _leave_class(self):
        case = self._class
        if case is not None and self._usable and not getattr(case, "__unittest_skip__", False):
            self._attempt(getattr(case, "tearDownClass", None))
        if case is not None:
            self._attempt(getattr(case, "doClassCleanups", None))

    def _enter_module(self, case):
        module = None if case is None else sys.modules.get(case.__module__)
        if module is self._module:
            return
        if self._module is not None:
            self._attempt(getattr(self._module, "tearDownModule", None))
            self._attempt(unittest.case.doModuleCleanups)
        self._module = module
        if module is not None:
            self._attempt(getattr(module, "setUpModule", None))

    def _attempt(self, function):
        if function is None:
            return True
        try:
            _outside_of_the_loop(function)
        except unittest.SkipTest as skip:
            self._result.addSkip(None, str(skip))
            return False
        except Exception as error:
            self._result._fail((type(error), error, None))
            return False
        return True


def _tests(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from _tests(each)
        else:
            yield each


async def _run(test, result):
    if isinstance(test, unittest.IsolatedAsyncioTestCase):
        await _run_awaited(test, result)
    else:
        _outside_of_the_loop(lambda: test.run(result))


async def _run_awaited(test, result):
    """Do what ``TestCase.run`` does, in the loop that runs already."""
    method = getattr(test, test._testMethodName)
    skipped = _marked(type(test), method, "__unittest_skip__", False)
    if skipped:
        _addSkip(result, test, _marked(type(test), method, "__unittest_skip_why__", ""))
        return
    outcome = test._outcome = _Outcome(result)
    test._asyncioRunner = types.SimpleNamespace(get_loop=asyncio.get_running_loop)
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    async def finished(part):
        """Await a part of the test if need be: each in a task of its own that nothing awaits, all in one context."""
        if inspect.isawaitable(part):
            task, done = loop.create_task(part, context=context), asyncio.Event()
            task.add_done_callback(lambda _: done.set())
            await done.wait()
            task.result()

    try:
        with outcome.testPartExecutor(test):
            context.run(test.setUp)
            await finished(test.asyncSetUp())
        if outcome.success:
            expecting = _marked(type(test), method, "__unittest_expecting_failure__", False)
            outcome.expecting_failure = expecting
            with outcome.testPartExecutor(test):
                await finished(context.run(method))
            outcome.expecting_failure = False
            if expecting and outcome.success and not outcome.expectedFailure:
                result.addUnexpectedSuccess(test)
            with outcome.testPartExecutor(test):
                await finished(test.asyncTearDown())
                context.run(test.tearDown)
        while test._cleanups:
            function, args, kwargs = test._cleanups.pop()
            with outcome.testPartExecutor(test):
                await finished(context.run(function, *args, **kwargs))
    finally:
        loop.set_exception_handler(None)
        loop.set_task_factory(None)
        test._outcome = test._asyncioRunner = None


def _marked(case, method, name, default):
    return getattr(case, name, default) or getattr(method, name, default)


def _outside_of_the_loop(function):
    """Call a function as if no loop were running, and no task."""
    loop, task = events._get_running_loop(), tasks.current_task()
    tasks._leave_task(loop, task)
    events._set_running_loop(None)
    hooks, durable = sys.get_asyncgen_hooks(), asyncio.sleep
    asyncio.sleep = tasks.sleep = _sleep
    try:
        return function()
    finally:
        asyncio.sleep = tasks.sleep = durable
        sys.set_asyncgen_hooks(*hooks)
        events._set_running_loop(None)
        events._set_running_loop(loop)
        tasks._enter_task(loop, task)


async def _sleep(delay, result=None):
    """Sleep in the loop of a test, as asyncio does; the guest's own function sleeps in the run's loop."""
    if delay <= 0:
        await tasks.__sleep0()
        return result
    if math.isnan(delay):
        raise ValueError("Invalid delay: NaN (not a number)")
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    handle = loop.call_later(delay, futures._set_result_unless_cancelled, future, result)
    try:
        return await future
    finally:
        handle.cancel()


class _VirtualLoop(base_events.BaseEventLoop):
    """A loop without files, whose time is that of its timers."""

    def __init__(self):
        super().__init__()
        self._now = 0.0
        self._selector = types.SimpleNamespace(select=self._select, close=lambda: None)

    def time(self):
        return self._now

    def _select(self, timeout):
        if timeout is None:
            raise RuntimeError("the loop waits for something that cannot come")
        if timeout and self._scheduled:
            self._now = max(self._now, heapq.nsmallest(1, self._scheduled)[0]._when)
        return []

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass


def _import_as_if_files_were_there(name):
    """Import a module, if the program has it, that looks for certificates, which few tests need."""
    if name not in finder.sources:
        return
    former = os.path.isfile, builtins.open
    os.path.isfile, builtins.open = lambda _: True, lambda *_: io.StringIO("{}")
    try:
        importlib.import_module(name)
    finally:
        os.path.isfile, builtins.open = former


def _lay_out(files):
    """Let files be opened that the program has; their paths are relative."""
    guests_open = builtins.open

    def open_(file, *args, **kwargs):
        text = files.get(file if isinstance(file, str) else "")
        return guests_open(file, *args, **kwargs) if text is None else io.StringIO(text)

    builtins.open = io.open = open_


def _make_loops_possible():
    current = types.SimpleNamespace(loop=None)

    def get_event_loop():
        running = events._get_running_loop()
        if running is None and current.loop is None:
            raise RuntimeError("There is no current event loop in thread 'MainThread'.")
        return running or current.loop

    def set_event_loop(loop):
        current.loop = loop

    for module in (asyncio, events):
        module.new_event_loop, module.set_event_loop, module.get_event_loop = (
            _VirtualLoop,
            set_event_loop,
            functools.wraps(events.get_event_loop)(get_event_loop),
        )
    asyncio.Runner, asyncio.run = runners.Runner, runners.run
