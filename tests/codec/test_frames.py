"""Frames of streams, beside the TypeScript Workflow SDK's."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from tests.codec.node import Node
from torpor import codec
from torpor.codec.crypto.encryption import Key
from torpor.codec.crypto.run_codec import PLAIN, KeyedRunCodec
from torpor.codec.frames import Place, body_of, frame
from torpor.errors import DecryptionError, SerializationError

KEY = bytes(range(32))
KEYED = KeyedRunCodec("run wrun_1", "k1", Key(KEY))
VALUES = ["text", "ü" * 2_000, 1.5, None, True, {"n": [1, {"two": "drei"}]}, []]
EXPRESSIONS = ["'text'", "1.5", "null", "true", "({ n: [1, { two: 'drei' }] })", "[]", "new Map([[1, 'a']])", "12n"]


def test_a_frame_says_how_long_it_is() -> None:
    """Four bytes, the most significant one first."""
    assert frame(b"abc") == b"\0\0\0\3abc"
    assert body_of(frame(b"")) == b""
    assert body_of(frame(bytes(70_000))) == bytes(70_000)


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\0\0\0\3ab", b"\0\0\0\3abcd", b"\xff\xff\xff\xffa"])
def test_a_frame_of_another_length_is_refused(data: bytes) -> None:
    """It was cut, or is none."""
    with pytest.raises(SerializationError, match="a frame says that"):
        body_of(data)


def test_a_tag_is_of_one_place() -> None:
    """Another stream, writer, attempt, number or content has another; so has the end."""
    places = [Place(KEYED, *about) for about in (("s", "w", 1), ("t", "w", 1), ("s", "v", 1), ("s", "w", 2))]
    tags = [place.tag(n, data) for place in places for n, data in ((0, b"a"), (1, b"a"), (0, b"b"))]
    tags += [place.end_tag(n) for place in places for n in (0, 1)]
    assert len(set(tags)) == len(tags)
    places[0].check(0, b"a", tags[0])
    places[0].check_end(1, places[0].end_tag(1))
    for wrong in (b"", tags[1], bytes(16)):
        with pytest.raises(DecryptionError, match="stream s: chunk 0 by w, attempt 1, was not written there"):
            places[0].check(0, b"a", wrong)
    with pytest.raises(DecryptionError, match="stream s: the end by w"):
        places[0].check_end(2, places[0].end_tag(1))


def test_a_run_without_a_key_has_no_tags() -> None:
    """There is nobody to tell apart."""
    assert Place(PLAIN, "s", "w", 1).tag(0, b"a") == b""
    assert Place(PLAIN, "s", "w", 1).end_tag(0) == b""


@pytest.mark.network
def test_the_sdk_reads_our_values(sdk: Node) -> None:
    """Plain ones, and, given the run's key, encrypted ones."""
    for run_codec, key in ((PLAIN, None), (KEYED, b64encode(KEY).decode())):
        frames = [b64encode(frame(run_codec.encrypt(codec.dumps(value, compress=False)))).decode() for value in VALUES]
        assert sdk("readFrames", frames, key, "") == VALUES


@pytest.mark.network
def test_the_sdk_reads_our_bytes(sdk: Node) -> None:
    """Plain ones, of which it knows."""
    chunks = [b"a", bytes(range(256)), b"z" * 70_000]
    frames = [b64encode(frame(chunk)).decode() for chunk in chunks]
    assert b"".join(map(b64decode, sdk("readFrames", frames, None, "bytes"))) == b"".join(chunks)


@pytest.mark.network
def test_the_sdk_stores_the_same_bytes(sdk: Node) -> None:
    """A frame of ours and one of its are the same."""
    frames = [b64decode(text) for text in sdk("writeFrames", EXPRESSIONS)]
    values = [codec.loads(body_of(data)) for data in frames]
    assert [frame(codec.dumps(value, compress=False)) for value in values] == frames
