"""
Steps as workflow code has them: awaiting one asks the host to run it.

A step's own ``def`` is in the program without its body; what stands in its place asks. Like any coroutine it does
nothing before it is awaited or made a task.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Any

from torpor.codec.errors import remember_traceback
from torpor.codec.guest import text_of, value_of
from torpor.codec.values import StepFunction
from torpor.errors import FatalError, SerializationError

from .loop import loop
from .references import stands_for
from .run import Delivery, run

Proxy = Callable[..., Any]


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
    """
    try:
        text = text_of(step_input)
    except SerializationError as cause:
        raise FatalError(f"step {step_id} cannot be called: {cause}") from cause
    future: Future[Any] = loop.create_future()
    run.emit("step", StepCall(step_id, future), name=step_id, input=text)
    return future


def step_proxy(step_id: str) -> Callable[[Proxy], Proxy]:
    """Decorate the empty ``def`` of a step: the function keeps its name and asks for the step when it is awaited."""

    def decorate(function: Proxy) -> Proxy:
        proxy = _proxy(step_id, {})
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(proxy, name, getattr(function, name))
        return proxy

    return decorate


def short_name(full_name: str) -> str:
    """Return the last part of a full name such as ``step//./app.py//charge``."""
    return full_name.rpartition("//")[2]


def revived(reference: StepFunction) -> Proxy:
    """Return the proxy for a step that arrived as a value, with all that it carries."""
    proxy = _proxy(reference.step_id, reference.extras)
    proxy.__name__ = proxy.__qualname__ = short_name(reference.step_id)
    return proxy


def _proxy(step_id: str, extras: dict[str, Any]) -> Proxy:
    # As in JavaScript: a bound receiver is told apart from arguments, bound arguments stand before the call's own.
    captured = {
        to: extras[key] for key, to in (("closureVars", "closureVars"), ("boundThis", "thisVal")) if key in extras
    }
    bound = extras.get("boundArgs", ())

    async def proxy(*args: Any, **kwargs: Any) -> Any:
        step_input: dict[str, Any] = {"args": [*bound, *args]}
        if kwargs:
            step_input["kwargs"] = kwargs
        if captured:
            step_input.update(captured)
        return await ask(step_id, step_input)

    return stands_for(StepFunction(step_id, extras), proxy)


def _raisable(error: Any) -> BaseException:
    """Return what a step raised; JavaScript may throw any value."""
    if isinstance(error, BaseException):
        return error
    wrapped = FatalError(f"the step threw {error!r}, which is no error")
    remember_traceback(wrapped, str(wrapped))
    return wrapped
