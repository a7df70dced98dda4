"""Zip files that are the same wherever they are made."""

from __future__ import annotations

import io
import zipfile

from slimming.archive import zip_of, zip_with

FILES = {"b.txt": b"second" * 100, "a/deep.txt": b"", "a.txt": b"first"}


def contents(archive: bytes) -> dict[str, bytes]:
    """Return what a zip has, as Python's own reader sees it."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_files_come_out_as_they_went_in() -> None:
    """In the order of their names, whatever that of the files was."""
    made = zip_of(FILES)

    assert contents(made) == FILES
    assert list(contents(made)) == sorted(FILES)
    assert made == zip_of(dict(reversed(FILES.items())))


def test_compressed_files_are_taken_over_as_they_are() -> None:
    """Nothing is compressed anew, which would come out differently elsewhere; fields of the original do not matter."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            info.extra, info.compress_type = b"\xfe\xca\x02\x00ok", zipfile.ZIP_DEFLATED
            archive.writestr(info, data)

    made = zip_with(file.getvalue(), lambda name: name != "a.txt")

    assert contents(made) == {name: data for name, data in FILES.items() if name != "a.txt"}
    assert len(made) < len(FILES["b.txt"])
