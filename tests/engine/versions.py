"""Versions of one application, side by side in a process: each has a folder of its own with the same files in it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torpor import Torpor, WorkerSettings
from torpor.engine.settings import TurnOptions
from torpor.world import World

AT_ONCE = WorkerSettings(heartbeat_ms=20)
"""Of workers that soon tell what they have to tell."""

TASKS_ONLY = WorkerSettings(heartbeat_ms=20, turn=TurnOptions(inline_steps=0))
"""Of workers whose turns carry out no step themselves."""


def version(
    root: Path,
    world: str | World,
    flow: str,
    steps: str = "",
    *,
    name: str = "shop",
    settings: WorkerSettings = AT_ONCE,
    renamed: Mapping[str, Any] | None = None,
    **options: Any,
) -> Torpor:
    """
    Return a version of an application.

    Args:
        root: its folder.
        world: where it lives.
        flow: its ``flow.js``.
        steps: its ``steps.py``, whose functions become steps; it is not imported, since versions share its name.
        name: of the application.
        settings: of its workers.
        renamed: old names by the name of a step.
        options: of the application.
    """
    root.mkdir(exist_ok=True)
    (root / "flow.js").write_text(flow)
    (root / "steps.py").write_text(steps)
    app = Torpor(world, root=root, name=name, settings=settings, **options)
    scope: dict[str, Any] = {"app": app}
    exec(compile(steps, root / "steps.py", "exec"), scope)  # noqa: S102  # it is the test's own text
    for function in [each for each in scope.values() if inspect.isfunction(each)]:
        app.step(renamed=(renamed or {}).get(function.__name__, ()))(function)
    app.workflows("flow.js")
    return app
