"""The steps of ``project/steps.ts`` in Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from torpor import ReadableStream, WritableStream, current_step, get_readable, get_writable

KEY: Final = 0x5A

_XOR: Final = bytes(byte ^ KEY for byte in range(256))
_LINE_BYTES: Final = 100


async def wait(ms: float, number: int) -> int:
    """Return the number after so many milliseconds."""
    await asyncio.sleep(ms / 1000)
    return number


async def echo(text: str) -> str:
    """Return what was given."""
    return text


async def lines(chunks: int, pause: float) -> ReadableStream[bytes]:
    """Write lines of 100 bytes, so many milliseconds apart."""
    return await _paced(chunks, pause, line)


async def shouted(given: ReadableStream[bytes]) -> ReadableStream[bytes]:
    """Write what is read in upper case."""
    return await _changed(given, bytes.upper)


async def generated(count: int, size: int, pause: float) -> ReadableStream[bytes]:
    """Write so many bytes in chunks of a size, so many milliseconds apart; each byte is its chunk's number."""
    return await _paced(count // size, pause, lambda number: bytes((number,)) * size)


async def xored(given: ReadableStream[bytes]) -> ReadableStream[bytes]:
    """Write what is read with other bits."""
    return await _changed(given, lambda chunk: chunk.translate(_XOR))


async def summary(given: list[ReadableStream[bytes]], count: int, is_xored: bool) -> ReadableStream[bytes]:
    """
    Read streams all at once, and write how many there were.

    Raises:
        ValueError: one is not what :func:`generated` has written, or is not of so many bytes.
    """
    sizes = await asyncio.gather(*(_checked(each, KEY if is_xored else 0) for each in given))
    if any(size != count for size in sizes):
        raise ValueError(f"streams have {sizes} bytes and not {count}")
    return await _paced(1, 0, lambda _: told(len(sizes), count))


def line(number: int) -> bytes:
    """Return a line of text with its number in front."""
    head = f"{number} "
    filling = "abcdefghij" * (_LINE_BYTES // 10)
    return f"{head}{filling[: _LINE_BYTES - 1 - len(head)]}\n".encode()


def told(streams: int, count: int) -> bytes:
    """Return what a summary says of so many streams of so many bytes."""
    return f"{streams} of {count}".encode()


async def _paced(chunks: int, pause: float, chunk: Callable[[int], bytes]) -> ReadableStream[bytes]:
    writable = _own()
    for number in range(chunks):
        await writable.write(chunk(number))
        if pause:
            await asyncio.sleep(pause / 1000)
    return await _ended(writable)


async def _changed(given: ReadableStream[bytes], change: Callable[[bytes], bytes]) -> ReadableStream[bytes]:
    writable = _own()
    async for chunk in given:
        await writable.write(change(chunk))
    return await _ended(writable)


def _own() -> WritableStream:
    """Return a stream of the step's own."""
    return get_writable(current_step().step_id, type="bytes")


async def _ended(writable: WritableStream) -> ReadableStream[bytes]:
    await writable.close()
    return get_readable(writable.name)


async def _checked(given: ReadableStream[bytes], mask: int) -> int:
    count, last = 0, 0
    async for chunk in given:
        for byte in (chunk[0], chunk[-1]):
            if (number := byte ^ mask) < last:
                raise ValueError("chunks come in another order than they were written")
            last = number
        count += len(chunk)
    return count
