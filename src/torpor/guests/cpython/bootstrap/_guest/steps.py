"""
Steps as workflow code has them: awaiting one asks the host to run it.

A step's own ``def`` is in the program without its body; what stands in its place asks. Like any coroutine it does
nothing before it is awaited or made a task.
"""

from __future__ import annotations

import inspect
import sys
from asyncio import Future
from collections.abc import Callable
from typing import Any, NoReturn, Unpack

from torpor.codec.errors import remember_traceback
from torpor.codec.guest import text_of, value_of
from torpor.codec.types.classes import class_path, reference_to
from torpor.codec.values import StepFunction
from torpor.errors import FatalError, SerializationError, UsageError
from torpor.retries import StepOptions, travelling

from .finder import author_place
from .loop import loop
from .references import stands_for
from .run import Delivery, run
from .unawaited import CallSite, call_site

Proxy = Callable[..., Any]

_CAPTURED = {"closureVars": "closureVars", "boundThis": "thisVal", "options": "options"}
"""What a step carries as a value → what it is called in the step's input."""


class StepCall:
    """One call of a step, which takes its result or error."""

    __slots__ = ("future", "step_id")

    def __init__(self, step_id: str, future: Future[Any]) -> None:
        self.step_id, self.future = step_id, future

    def receive(self, delivery: Delivery) -> None:
        run.forget(delivery["op"])
        future = self.future
        if future.done():
            return
        try:
            if delivery["type"] == "step_completed":
                future.set_result(value_of(delivery["value"]))
            else:
                future.set_exception(_raisable(value_of(delivery["error"])))
        except Exception as unreadable:  # noqa: BLE001  # reading may run an author's own decode function
            unreadable.add_note(f"The answer of step {self.step_id} cannot be read.")
            future.set_exception(unreadable)

    def wakes(self, future: Future[Any]) -> bool:
        return future is self.future

    def describe(self) -> str:
        return f"step {short_name(self.step_id)}"


def ask(step_id: str, step_input: dict[str, Any]) -> Future[Any]:
    """
    Ask for a step to be run and return the future of its result.

    Raises:
        FatalError: an argument cannot be stored; names step and path.
        CancelledError: the run is being cancelled.
    """
    run.check()
    try:
        text = text_of(step_input)
    except SerializationError as cause:
        raise FatalError(f"step {step_id} cannot be called: {cause}") from cause
    future: Future[Any] = loop.create_future()
    run.emit("step", StepCall(step_id, future), name=step_id, input=text)
    return future


def step_proxy(step_id: str) -> Callable[[Any], Any]:
    """
    Decorate the empty ``def`` of a step: the function keeps its name and asks for the step when it is awaited.

    A static method may be decorated above or below its ``@staticmethod``.
    """
    return lambda function: _in_place_of(function, _proxy(step_id, {}))


def class_step_proxy(step_id: str) -> Callable[[Any], Any]:
    """Decorate the empty ``def`` of a class method, above or below its ``@classmethod``."""
    return lambda function: _in_place_of(function, _proxy(step_id, {}, takes_class=True))


def short_name(full_name: str) -> str:
    """Return the last part of a full name such as ``step//./app.py//charge``."""
    return full_name.rpartition("//")[2]


def revived(reference: StepFunction) -> Proxy:
    """Return the proxy for a step that arrived as a value, with all that it carries."""
    return _proxy(reference.step_id, reference.extras)


def _in_place_of(function: Any, proxy: Proxy) -> Any:
    """Return a proxy as the function or method that it stands for."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(proxy, name, getattr(function, name))
    return type(function)(proxy) if isinstance(function, staticmethod | classmethod) else proxy


def _proxy(step_id: str, extras: dict[str, Any], *, takes_class: bool = False) -> Proxy:
    """
    Return the function that asks for a step.

    Args:
        step_id: which.
        extras: what it carries, as a value does.
        takes_class: it stands for a class method; the class goes along.
    """
    # As in JavaScript: a bound receiver is told apart from arguments, bound arguments stand before the call's own.
    captured = {to: extras[key] for key, to in _CAPTURED.items() if key in extras}
    bound = extras.get("boundArgs", ())

    async def call(
        receiver: dict[str, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        site: CallSite | None,  # noqa: ARG001  # who forgets to await is told
    ) -> Any:
        step_input: dict[str, Any] = {"args": [*bound, *args]}
        if kwargs:
            step_input["kwargs"] = kwargs
        if captured or receiver:
            step_input |= captured | receiver
        return await ask(step_id, step_input)

    def proxy(*args: Any, **kwargs: Any) -> Any:
        if run.phase == "loading":
            _refuse_while_loading(proxy.__qualname__)
        receiver = {"thisVal": reference_to(args[0])} if takes_class else {}
        site = call_site(sys._getframe(1))  # noqa: SLF001  # there is no other way to ask
        called: Any = call(receiver, args[1:] if takes_class else args, kwargs, site)
        called.__name__, called.__qualname__ = proxy.__name__, proxy.__qualname__  # for warnings
        return called

    def with_options(**options: Unpack[StepOptions]) -> Proxy:
        wanted = {**extras.get("options", {}), **travelling(options, class_path)}
        named: Proxy = _in_place_of(proxy, _proxy(step_id, {**extras, "options": wanted} if wanted else extras))
        return named

    proxy.__name__ = proxy.__qualname__ = short_name(step_id)
    proxy.with_options = with_options  # type: ignore[attr-defined]  # that is how
    inspect.markcoroutinefunction(proxy)  # type: ignore[attr-defined]  # since Python 3.12
    return stands_for(StepFunction(step_id, extras), proxy)


def _refuse_while_loading(step: str) -> NoReturn:
    place = author_place(sys._getframe(2))  # noqa: SLF001  # there is no other way to ask
    raise UsageError(
        f"step {step} is called while modules are loaded{f' ({place})' if place else ''}, which is done once for all "
        f"runs and belongs to none; call it inside a workflow function, or call a plain function that is no step"
    )


def _raisable(error: Any) -> BaseException:
    """Return what a step raised; JavaScript may throw any value."""
    if isinstance(error, BaseException):
        return error
    wrapped = FatalError(f"the step threw {error!r}, which is no error")
    remember_traceback(wrapped, str(wrapped))
    return wrapped
