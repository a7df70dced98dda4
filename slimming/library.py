"""
The slim library: the modules of Python's own library that work in the guest, and the data of time zones.

Which they are is written down here, and not taken from a list of Python's, since the build may run on another
version. A test imports all of them in the guest.
"""

from __future__ import annotations

from typing import Final

from slimming.archive import zip_with


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BUILT_IN: Final = _words(
    """
    _abc _ast _asyncio _bisect _blake2 _bz2 _codecs _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr
    _codecs_tw _collections _contextvars _csv _datetime _elementtree _functools _heapq _hmac _host _imp _io _json
    _locale _lsprof _lzma _math_integer _md5 _multibytecodec _opcode _operator _pickle _queue _random _sha1 _sha2
    _sha3 _signal _socket _sqlite3 _sre _stat _statistics _string _struct _suggestions _symtable _sysconfig _thread
    _tokenize _tracemalloc _types _typing _weakref _zoneinfo array atexit binascii cmath errno faulthandler gc
    itertools math posix pyexpat select time unicodedata zlib
    """
)
"""Modules in C that stay, by the names of their ``PyInit_`` functions."""

IN_PYTHON: Final = _words(
    """
    __future__ _aix_support _android_support _apple_support _ast_unparse _collections_abc _colorize _compat_pickle
    _markupbase _missing_stdlib_info _opcode_metadata _osx_support _py_abc _py_warnings _pydatetime _pydecimal _pyio
    _pylong _pyrepl _sitebuiltins _strptime _sysconfigdata__wasi_wasm32-wasi _threading_local _weakrefset abc
    annotationlib antigravity argparse ast asyncio base64 bdb bisect bz2 cProfile calendar cmd code codecs codeop
    collections colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg csv ctypes
    dataclasses datetime dbm decimal difflib dis doctest email encodings enum filecmp fileinput fnmatch fractions
    ftplib functools genericpath getopt getpass gettext glob graphlib gzip hashlib heapq hmac html http imaplib
    importlib inspect io ipaddress json keyword linecache locale logging lzma mailbox mimetypes mmap modulefinder
    multiprocessing netrc ntpath nturl2path numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil
    platform plistlib poplib posixpath pprint profile profiling pstats py_compile pyclbr pydoc pydoc_data queue quopri
    random re reprlib rlcompleter runpy sched secrets selectors shelve shlex shutil signal site smtplib socket
    socketserver sqlite3 stat statistics string stringprep struct subprocess symtable sysconfig tabnanny tarfile
    tempfile textwrap this threading timeit token tokenize tomllib trace traceback tracemalloc types typing tzdata
    tzdata-2026.5.dist-info
    unittest urllib uuid warnings wave weakref webbrowser wsgiref xml xmlrpc zipapp zipfile zipimport zoneinfo
    """
)
"""Modules in Python that stay, but for their parts in :data:`BROKEN`."""

BROKEN: Final = _words(
    """
    _pyrepl/fancy_termios _pyrepl/readline _pyrepl/simple_interact _pyrepl/unix_console _pyrepl/unix_eventqueue
    _pyrepl/windows_console asyncio/__main__ asyncio/tools asyncio/windows_events asyncio/windows_utils compression/zstd
    concurrent/futures/interpreter concurrent/interpreters dbm/gnu dbm/ndbm encodings/mbcs encodings/oem
    multiprocessing/forkserver multiprocessing/popen_fork multiprocessing/popen_forkserver
    multiprocessing/popen_spawn_posix multiprocessing/popen_spawn_win32 multiprocessing/resource_tracker
    multiprocessing/shared_memory multiprocessing/synchronize profiling/sampling
    """
)
"""Parts that cannot be imported, for want of an operating system, and files that only they use."""


def slim_library(library: bytes) -> bytes:
    """Return the zip of the library with the files that stay."""
    return zip_with(library, _stays)


def _stays(name: str) -> bool:
    parts = name.removesuffix(".pyc").split("/")
    outer = {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return parts[0] in IN_PYTHON and outer.isdisjoint(BROKEN)
