"""What the Python guest is made of: the installed one's manifest."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from torpor.guests.cpython.artifacts import WASM, Artifacts
from torpor.guests.cpython.sources import GuestCode, startup_text
from torpor.vm.manifest import HEARS, Manifest

NAME: Final = "cpython"

PROTOCOL: Final = 1
"""
Counted up when the halves of this guest agree on something else: messages, the driver's cells, host calls, WASI.

Builds of an earlier number are driven as before or refused, never driven differently.
"""

_EXPORTS: Final = {
    "malloc": "malloc",
    "PyObject_CallNoArgs": "call",
    "_Py_DecRef": "release",
    "PyErr_Print": "print_error",
}
_FOLDER: Final = files("torpor.guests.cpython")


class PythonManifest(Manifest, frozen=True, kw_only=True):
    """
    What a Python guest is made of; its files are :data:`WASM` and :data:`LIBRARY` of ``artifacts.py``.

    Attributes:
        version: of CPython, such as ``3.15.0``.
        packages: what else is built in: name → version.
        exports: functions of CPython that the driver needs → what they are exported as.
        stack_pointer: what the stack pointer is exported as.
        stack_bytes: the linker puts the stack before everything else (checked at boot). Between turns it is empty.
        driver, host_call: WebAssembly text of what stands between host and guest.
        startup: Python that prepares the interpreter.
        text: Python that boots the guest; see :class:`torpor.guests.cpython.sources.GuestCode`.
        modules: its modules by dotted name: label and text.
        arguments, environment: what the interpreter believes that it was started with.
        folder: the one folder that it sees.
        library: name of the one file in there, the zip of the standard library.
    """

    version: str
    packages: dict[str, str]
    exports: dict[str, str]
    stack_pointer: str
    stack_bytes: int
    driver: str
    host_call: str
    startup: str
    text: str
    modules: dict[str, tuple[str, str]]
    arguments: list[str]
    environment: list[str]
    folder: str
    library: str

    @property
    def module_content(self) -> str:
        """What the compiled code depends on."""
        return f"{self.files[WASM].sha256} {sorted(self.exports.items())} {self.stack_pointer}"


def installed_manifest(artifacts: Artifacts, code: GuestCode) -> PythonManifest:
    """Return the manifest of the guest that is installed here, with modules of its own."""
    return PythonManifest(
        guest=NAME,
        protocol=PROTOCOL,
        hears=list(HEARS),
        files=artifacts.entries,
        version=artifacts.version,
        packages=artifacts.packages,
        exports=_EXPORTS,
        stack_pointer="stack_pointer",
        stack_bytes=16 * 1024 * 1024,
        driver=_FOLDER.joinpath("driver.wat").read_text("utf-8"),
        host_call=_FOLDER.joinpath("host_call.wat").read_text("utf-8"),
        startup=startup_text(),
        text=code.text,
        modules=dict(code.modules),
        arguments=["python"],
        environment=["PYTHONHASHSEED=0"],
        folder="/usr/local/lib",
        library="python315.zip",
    )
