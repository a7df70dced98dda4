"""
Step proxies: the JavaScript module that stands for a Python file.

The module's text is made of names alone, each of them checked; data never becomes code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from torpor.errors import ConfigurationError


def proxy_module(path: str, names: Sequence[str]) -> str:
    """
    Return the module that exports one proxy for each step of a Python file.

    Args:
        path: the file relative to the project root, such as ``./orders.py``.
        names: names of its step functions.

    Raises:
        ConfigurationError: a name is no identifier.
    """
    for name in names:
        if not name.isidentifier():
            raise ConfigurationError(f"{path}: {name!r} is not the name of a function; a step needs an identifier")
    proxies = ", ".join(f"step{i}" for i in range(len(names)))
    exports = ", ".join(f"step{i} as {json.dumps(name)}" for i, name in enumerate(names))
    return (
        'import { stepsOf } from "torpor:steps";\n'
        f"const [{proxies}] = stepsOf({json.dumps(path)}, {json.dumps(list(names))});\n"
        f"export {{ {exports} }};\n"
    )
