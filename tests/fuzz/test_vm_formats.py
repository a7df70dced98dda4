"""What a VM's host reads: snapshots, images and outboxes. Damaged ones are refused with the documented errors only."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import struct
import tracemalloc
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.damage import anything, bounded, damaged
from tests.guests.quickjs.support import COUNTER, guest, program
from tests.guests.support import SEED, answer, begin
from torpor.codec.crypto.run_codec import PLAIN
from torpor.errors import LimitExceededError, SerializationError, SnapshotError
from torpor.limits import LOG_LINES_PER_TURN_MAX, OPS_PER_TURN_MAX, PAYLOAD_BYTES_MAX
from torpor.vm.delta import Delta, pack_delta, unpack_delta
from torpor.vm.image import ImageHeader, pack_image, unpack_image
from torpor.vm.messages import outbox_of

IMAGE = "ab" * 32
DELTAS = [
    pack_delta(Delta(IMAGE, 58, 1_048_576, 40, 1_800_000_000_000, body)) for body in (b"", bytes(range(256)) * 10)
]
IMAGES = [pack_image(ImageHeader("build", "program", 65_536, None, 0), b"")]
OUTBOXES = [
    b'{"ops":[{"n":1,"at":2,"type":"step","name":"s","input":""}],"logs":[],"status":"pending","awaits_ack":false}\ndevl[1]',
    b'{"ops":[],"logs":[{"n":1,"at":1,"level":"info","text":"\\ud800"}],"status":"completed","value":""}\ndevl[1]',
    b'{"status":"failed","error":""}\ndevl[["Error",1],{"name":2,"message":2,"stack":2},"m"]',
]


def with_checksum(data: bytes) -> bytes:
    """Return a delta with the checksum that belongs to it, as a forger would."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def with_hash(data: bytes) -> bytes:
    """Return an image with the hash that belongs to it."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


@bounded
@given(anything(DELTAS), st.booleans())
def test_a_damaged_delta_is_refused(data: bytes, is_forged: bool) -> None:
    """Whether or not its checksum is right."""
    with contextlib.suppress(SnapshotError):
        unpack_delta(with_checksum(data) if is_forged else data, IMAGE)


@bounded
@given(anything(IMAGES), st.booleans())
def test_a_damaged_image_is_refused(data: bytes, is_forged: bool) -> None:
    """Whether or not its hash is right."""
    with contextlib.suppress(SnapshotError):
        unpack_image(with_hash(data) if is_forged else data)


@bounded
@given(
    st.dictionaries(
        st.sampled_from(["build", "program", "stack_pointer", "pages", "base", "per_run", "x"]),
        st.none() | st.integers() | st.text(max_size=3) | st.booleans(),
    )
)
def test_a_forged_header_of_an_image_is_refused(header: dict[str, object]) -> None:
    """Fields of other types, and too few of them."""
    text = json.dumps(header).encode()
    data = struct.pack("<8sII", b"TORPIMG\0", 1, len(text)) + text + bytes(32)

    with contextlib.suppress(SnapshotError):
        unpack_image(with_hash(data))


@bounded
@given(anything(OUTBOXES))
def test_a_damaged_outbox_is_refused(message: bytes) -> None:
    """A guest that a program has spoiled may write anything."""
    with contextlib.suppress(ValueError, LimitExceededError):
        outbox_of(message)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (rb"\ud800", "\ufffd"),
        (rb"\udfff\ud800", "\ufffd\ufffd"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud800", "\\ud800"),
        (rb"\\\ud800", "\\\ufffd"),
        (rb"\u00e9\n", "é\n"),
    ],
)
def test_half_a_surrogate_pair_is_replaced_and_nothing_else(text: bytes, shown: str) -> None:
    """Escapes are read from the left, so that an escaped backslash is not taken for the beginning of one."""
    message = (
        b'{"logs":[{"n":1,"at":1,"level":"info","text":"'
        + text
        + rb'"},{"n":2,"at":1,"level":"info","text":"\ud800"}]}'
    )
    assert [line.text for line in outbox_of(message).logs] == [shown, "\ufffd"]


def test_a_message_of_line_breaks_costs_no_more_than_it_has() -> None:
    """Sixteen megabytes of them are no list of sixteen million lines."""
    message = OUTBOXES[1] + b"\n" * PAYLOAD_BYTES_MAX
    tracemalloc.start()
    try:
        assert outbox_of(message).value == "devl[1]"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * PAYLOAD_BYTES_MAX


def test_more_than_a_turn_may_ask_for_is_refused() -> None:
    """Ops above their limit, by name, and log lines that a guest would have dropped."""
    op, line = b'{"n":1,"at":2,"type":"wait"}', b'{"n":1,"at":1,"level":"info","text":""}'
    with pytest.raises(LimitExceededError, match=f"the limit is {OPS_PER_TURN_MAX}"):
        outbox_of(b'{"ops":[' + b",".join([op] * (OPS_PER_TURN_MAX + 1)) + b"]}")
    with pytest.raises(ValueError, match=f"{LOG_LINES_PER_TURN_MAX} are kept"):
        outbox_of(b'{"logs":[' + b",".join([line] * (LOG_LINES_PER_TURN_MAX + 1)) + b"]}")


def test_any_flipped_bit_of_a_stored_snapshot_is_noticed() -> None:
    """A snapshot as it is stored, with one bit of any of its bytes flipped, is refused or restores the same state."""
    js = guest("portable")
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 5)
    raw = vm.snapshot()
    stored = PLAIN.pack_binary(raw)
    dice = random.Random(5)
    restored = []
    for at in range(len(stored)):
        data = bytearray(stored)
        data[at] ^= 1 << dice.randrange(8)
        with contextlib.suppress(SerializationError, LimitExceededError, SnapshotError):
            vm.restore(PLAIN.unpack_binary(bytes(data)), SEED)
            restored.append(at)
            assert vm.snapshot() == raw
    vm.release()
    assert len(restored) < len(stored) / 100, "the checksum covers nearly all of it"


@pytest.mark.parametrize(
    "lie",
    [
        *({"pages": number} for number in (0, 1, 2**16, 2**31, 2**32 - 1)),
        *({"stack_pointer": number} for number in (0, 1, 2**21, 2**31, 2**32 - 1)),
        *({"entropy": number} for number in (2**54, 2**64 - 1)),
        {"body": bytes(68 + 4096) * 4096},
    ],
)
def test_a_head_that_lies_is_refused(lie: dict[str, Any]) -> None:
    """Whatever a head says, with a right checksum too, nothing is made of that size, and the VM stays usable."""
    js = guest("portable")
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 5)
    raw = vm.snapshot()
    told = msgspec.structs.replace(unpack_delta(raw, raw[8:40].hex()), **lie)
    with pytest.raises(SnapshotError, match="cannot be restored"):
        vm.restore(pack_delta(told), SEED)
    vm.restore(raw, SEED)

    assert answer(vm, 1, 7).ops
    vm.release()


@pytest.mark.parametrize("backend", ["cow", "portable"])
def test_a_forged_snapshot_harms_its_own_run_only(backend: str) -> None:
    """Memory is what the forger says, within its limit; the VMs of others are as they were."""
    js = guest(backend)
    image = js.load(program(COUNTER))
    vm = js.lease(image)
    begin(vm, "counter", 5)
    snapshot = vm.snapshot()
    vm.release()

    @bounded
    @given(damaged([snapshot]))
    def restore(data: bytes) -> None:
        forged = js.lease(image)
        with contextlib.suppress(SnapshotError):
            forged.restore(with_checksum(data), SEED)
        forged.release()

    restore()

    vm = js.lease(image)
    vm.restore(snapshot, SEED)
    assert msgspec.json.decode(answer(vm, 1, 7).ops[0].input or "") is not None
    vm.release()
