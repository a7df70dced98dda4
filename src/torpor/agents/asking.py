"""
What an agent's loop asks of its run. Here, outside of workflows, there is none; the VM has a module of this name that
asks: ``_guest/agents.py``.
"""

from __future__ import annotations

from typing import Any, NoReturn

from torpor.errors import OutsideWorkflowError
from torpor.run_handle import RunHandle
from torpor.workflow import hook

__all__ = ["ask_host", "hook", "start"]


async def ask_host(_step: str, *_args: Any, **_options: Any) -> Any:
    """
    Have a built-in step carried out, given its short name and arguments, and return its result.

    Raises:
        OutsideWorkflowError: always, outside of a run.
    """
    _refuse()


async def start(_workflow: Any, /, *_args: Any, **_kwargs: Any) -> RunHandle[Any]:
    """
    Start a child run; see :meth:`torpor.Torpor.start`.

    Raises:
        OutsideWorkflowError: always, outside of a run.
    """
    _refuse()


def _refuse() -> NoReturn:
    raise OutsideWorkflowError(
        "an agent runs in a workflow: await agent.run(…) in a function that is decorated with @app.workflow, and start "
        "that with app.start(…)"
    )
