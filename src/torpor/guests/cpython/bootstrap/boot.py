"""
Run once in ``__main__`` of a new VM: takes the guest's modules from the host and imports them.

What turns may need is imported here, so that it is part of the image and no snapshot holds it.
"""

import importlib
import json
import sys
import types

import _host  # type: ignore[import-not-found]  # built into the VM


def boot() -> None:
    """Make the guest's modules importable, and import them."""
    sources = json.loads(_host.call(b"I"))
    name = "torpor._guest.finder"
    finder = types.ModuleType(name)
    label, text = sources[name]
    exec(compile(text, label, "exec", dont_inherit=True), vars(finder))  # noqa: S102  # nothing can import it before
    sys.modules[name] = finder
    finder.install(sources)
    importlib.import_module("torpor._guest.main")
    importlib.import_module("torpor._pydantic")  # what programs with models need, so that the image of all has it


boot()
