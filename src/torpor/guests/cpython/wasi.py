"""
WASI for CPython: as :class:`~torpor.vm.wasi.DeterministicWasi`, and a read-only folder that holds the standard library.

The folder has one file, the zip that Python imports from. Neither folder nor file is one of the host's: there is
no descriptor, and no path leads elsewhere. What guest code leaves open is closed when the host ends a turn, so that no
snapshot depends on an open file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from torpor.errors import GuestTrapError
from torpor.guests.cpython.manifest import PythonManifest
from torpor.vm.limits import PATH_BYTES_MAX, READ_BYTES_MAX
from torpor.vm.wasi import BOOT_MS, DeterministicWasi, TooManyBuffersError

_OPEN_FILES_MAX = 64
_SUCCESS, _BADF, _FAULT, _INVAL, _ISDIR = 0, 8, 21, 28, 31
_MFILE, _NAMETOOLONG, _NOENT, _NOTDIR, _ROFS = 33, 37, 44, 54, 69
_STREAMS, _ROOT, _FIRST = (1, 2), 3, 4
_DIRECTORY, _REGULAR = 3, 4
_CREATE, _ONLY_DIRECTORY, _EXCLUSIVE, _TRUNCATE = 1, 2, 4, 8
_RIGHT_TO_WRITE = 1 << 6
_RIGHTS_TO_READ = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 21
_FOLDER_INODE, _LIBRARY_INODE = 1, 2
_SET, _CURRENT, _END = 0, 1, 2


@dataclass(slots=True)
class _File:
    """An open file: the library, or the folder when ``folder`` is set."""

    folder: bool
    position: int = 0


class PythonWasi(DeterministicWasi):
    """
    The WASI of one instance.

    Args:
        manifest: says what the interpreter finds around it.
        library: bytes of the zip, such as a mapped file.

    Attributes:
        counting: whether reads of the clock and draws of entropy are counted; until the guest says that its program is
            loaded, since each of its garbage collections reads the clock.
    """

    def __init__(self, manifest: PythonManifest, library: memoryview) -> None:
        super().__init__()
        self._arguments = [text.encode() for text in manifest.arguments]
        self._environment = [text.encode() for text in manifest.environment]
        self._folder, self._name = manifest.folder.encode(), manifest.library.encode()
        self._library = library
        self._open: dict[int, _File] = {}
        self.counting = True

    def clock_time_get(self, clock: int, precision: int, out: int) -> int:
        self.clock_reads -= not self.counting
        return super().clock_time_get(clock, precision, out)

    def random_get(self, at: int, count: int) -> int:
        self.draws -= not self.counting
        return super().random_get(at, count)

    def close_files(self) -> None:
        """Close what guest code left open."""
        self._open.clear()

    def reset(self) -> None:
        super().reset()
        self.counting = True
        self.close_files()

    # ── Arguments and environment ─────────────────────────────────────────────────────────────────────────────────────

    def args_sizes_get(self, count: int, size: int) -> int:
        return self._put_sizes(self._arguments, count, size)

    def args_get(self, pointers: int, texts: int) -> int:
        return self._put_texts(self._arguments, pointers, texts)

    def environ_sizes_get(self, count: int, size: int) -> int:
        return self._put_sizes(self._environment, count, size)

    def environ_get(self, pointers: int, texts: int) -> int:
        return self._put_texts(self._environment, pointers, texts)

    def _put_sizes(self, texts: list[bytes], count: int, size: int) -> int:
        total = sum(len(text) + 1 for text in texts)
        return self._put(count, struct.pack("<I", len(texts))) or self._put(size, struct.pack("<I", total))

    def _put_texts(self, texts: list[bytes], pointers: int, at: int) -> int:
        for number, text in enumerate(texts):
            if error := self._put(pointers + 4 * number, struct.pack("<I", at)) or self._put(at, text + b"\0"):
                return error
            at += len(text) + 1
        return _SUCCESS

    # ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def fd_prestat_get(self, fd: int, out: int) -> int:
        return self._put(out, struct.pack("<II", 0, len(self._folder))) if fd == _ROOT else _BADF

    def fd_prestat_dir_name(self, fd: int, out: int, size: int) -> int:
        return self._put(out, self._folder[:size]) if fd == _ROOT else _BADF

    def fd_fdstat_get(self, fd: int, out: int) -> int:
        file = self._file(fd)
        if file is None:  # of no known kind, so that nothing takes it for a terminal and writes in colours
            return self._put(out, bytes(24)) if fd in _STREAMS else _BADF
        kind = _DIRECTORY if file.folder else _REGULAR
        return self._put(out, struct.pack("<BxHxxxxQQ", kind, 0, _RIGHTS_TO_READ, _RIGHTS_TO_READ))

    def fd_filestat_get(self, fd: int, out: int) -> int:
        file = self._file(fd)
        return _BADF if file is None else self._put(out, self._stat(file))

    def path_filestat_get(self, fd: int, _flags: int, path: int, size: int, out: int) -> int:
        error, file = self._find(fd, path, size)
        return error if file is None else self._put(out, self._stat(file))

    def path_open(
        self, fd: int, _follow: int, path: int, size: int, flags: int, rights: int, _inherited: int, _fd_flags: int,
        out: int,
    ) -> int:  # fmt: skip
        error, file = self._find(fd, path, size)
        if flags & (_CREATE | _TRUNCATE) or rights & _RIGHT_TO_WRITE:
            return _ROFS
        if file is None:
            return error
        if flags & _ONLY_DIRECTORY and not file.folder:
            return _NOTDIR
        number = next((n for n in range(_FIRST, _FIRST + _OPEN_FILES_MAX) if n not in self._open), None)
        if number is None:
            return _MFILE
        self._open[number] = file
        return self._put(out, struct.pack("<I", number))

    def fd_close(self, fd: int) -> int:
        return _BADF if self._open.pop(fd, None) is None else _SUCCESS

    def fd_read(self, fd: int, vectors: int, count: int, out: int) -> int:
        file = self._open.get(fd)
        if file is None:
            return _BADF
        if file.folder:
            return _ISDIR
        error, file.position = self._scatter(file.position, vectors, count, out)
        return error

    def fd_pread(self, fd: int, vectors: int, count: int, offset: int, out: int) -> int:
        file = self._open.get(fd)
        if file is None:
            return _BADF
        if file.folder or offset < 0:
            return _ISDIR if file.folder else _INVAL
        return self._scatter(offset, vectors, count, out)[0]

    def fd_seek(self, fd: int, offset: int, whence: int, out: int) -> int:
        file = self._open.get(fd)
        if file is None or file.folder:
            return _BADF
        starts = {_SET: 0, _CURRENT: file.position, _END: len(self._library)}
        position = starts.get(whence, -1) + offset
        if whence not in starts or position < 0:
            return _INVAL
        file.position = position
        return self._put(out, struct.pack("<Q", position))

    def proc_exit(self, code: int) -> None:
        raise GuestTrapError(f"the guest ended its process with code {code}; return from the workflow instead")

    def fd_tell(self, fd: int, out: int) -> int:
        file = self._open.get(fd)
        return _BADF if file is None else self._put(out, struct.pack("<Q", file.position))

    def fd_readdir(self, fd: int, at: int, size: int, cookie: int, out: int) -> int:
        file = self._file(fd)
        if file is None or not file.folder:
            return _BADF if file is None else _NOTDIR
        name = self._name
        entry = struct.pack("<QQIBxxx", 1, _LIBRARY_INODE, len(name), _REGULAR) + name
        entries = entry[:size] if cookie == 0 else b""
        return self._put(at, entries) or self._put(out, struct.pack("<I", len(entries)))

    def fd_advise(self, _fd: int, _offset: int, _size: int, _advice: int) -> int:
        return _SUCCESS

    def _file(self, fd: int) -> _File | None:
        return _File(folder=True) if fd == _ROOT else self._open.get(fd)

    def _find(self, fd: int, path: int, size: int) -> tuple[int, _File | None]:
        """Return a file by its path below an open folder, or why there is none."""
        folder = self._file(fd)
        if folder is None or not folder.folder:
            return (_BADF if folder is None else _NOTDIR), None
        if size > PATH_BYTES_MAX:
            return _NAMETOOLONG, None
        try:
            parts = [part for part in self._read(path, size).split(b"/") if part not in (b"", b".")]
        except IndexError:
            return _FAULT, None
        if not parts:
            return _SUCCESS, _File(folder=True)
        if parts[0] != self._name:
            return _NOENT, None
        return (_NOTDIR, None) if len(parts) > 1 else (_SUCCESS, _File(folder=False))

    def _stat(self, file: _File) -> bytes:
        inode, kind, size = (
            (_FOLDER_INODE, _DIRECTORY, 0) if file.folder else (_LIBRARY_INODE, _REGULAR, len(self._library))
        )
        changed = BOOT_MS * 1_000_000
        return struct.pack("<QQBxxxxxxxQQQQQ", 0, inode, kind, 1, size, changed, changed, changed)

    def _scatter(self, position: int, vectors: int, count: int, out: int) -> tuple[int, int]:
        """Read from *position* on into the buffers; return the error and where reading ended."""
        assert self.memory is not None
        done = 0
        try:
            for start, size in self._buffers(vectors, count):
                end = position + min(done + size, READ_BYTES_MAX)
                piece = self._library[position + done : end]
                self.memory.write(start, piece)
                done += len(piece)
        except IndexError:
            return _FAULT, position
        except TooManyBuffersError:
            return _INVAL, position
        return self._put(out, struct.pack("<I", done)), position + done
