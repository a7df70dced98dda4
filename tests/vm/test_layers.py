"""Images that share what they have in common."""

from __future__ import annotations

import random
import struct

from torpor.vm.image import MemoryImage
from torpor.vm.layers import LayeredImage, changed_pages
from torpor.vm.limits import WASM_PAGE
from torpor.vm.posix import PAGE


def record(page: int, words: dict[int, int]) -> bytes:
    """Return the record of a page in which these words differ."""
    mask = sum(1 << word for word in words)
    return struct.pack("<I64s", page, mask.to_bytes(64, "little")) + b"".join(
        struct.pack("<Q", words[word]) for word in sorted(words)
    )


def layered(base: MemoryImage, pages: list[int], size: int) -> tuple[LayeredImage, bytearray]:
    """Return a layer that changes the first word of some pages, and all of its memory."""
    memory = bytearray(bytes(base.view).ljust(size, b"\0"))
    for page in pages:
        struct.pack_into("<Q", memory, page * PAGE, page + 1)
    body = b"".join(record(page, {0: page + 1}) for page in pages)
    return LayeredImage(base, body, memoryview(memory)), memory


def laid(image: MemoryImage) -> bytes:
    """Return what memory holds once the pieces have been laid into it."""
    memory = bytearray(b"\xff" * image.size)
    for at, size, view, _, _ in image.pieces:
        memory[at : at + size] = bytes(size) if view is None else view
    return bytes(memory)


def test_pieces_give_the_whole_memory() -> None:
    """
    However the changed pages lie, the pieces together are the new memory, with few ranges.
    """
    chance = random.Random(3)
    base = MemoryImage(chance.randbytes(64 * WASM_PAGE), 7)
    for count in (0, 1, 2, 63, 64, 65, 300, 1024):
        pages = sorted(chance.sample(range(1024), count))
        image, memory = layered(base, pages, base.size)

        assert laid(image) == memory
        assert len(image.pieces) <= 1 + 64
        assert image.stack_pointer == 7


def test_memory_that_grew_is_zero_where_nothing_was_written() -> None:
    """
    Beyond the base image there are zeros and what was changed.
    """
    base = MemoryImage(bytes(2 * WASM_PAGE), 0)
    image, memory = layered(base, [1, 40, 60], 4 * WASM_PAGE)

    assert laid(image) == memory


def test_the_hash_covers_base_and_changes() -> None:
    """
    Another base, other changes or another size are another image.
    """
    bases = [MemoryImage(bytes([n]) * WASM_PAGE, 0) for n in range(2)]
    images = [
        layered(bases[0], [1], WASM_PAGE)[0],
        layered(bases[1], [1], WASM_PAGE)[0],
        layered(bases[0], [2], WASM_PAGE)[0],
        layered(bases[0], [1], 2 * WASM_PAGE)[0],
    ]

    assert len({image.hash for image in images}) == 4
    assert layered(bases[0], [1], WASM_PAGE)[0].hash == images[0].hash


def test_pages_of_a_body_are_known() -> None:
    """
    Records are skipped by the number of words that they hold.
    """
    body = record(3, {0: 1, 511: 2}) + record(9, {7: 3})

    assert changed_pages(body) == [3, 9]
    assert changed_pages(b"") == []
