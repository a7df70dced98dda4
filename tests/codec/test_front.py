"""The front of the codec: values, texts and envelopes."""

from __future__ import annotations

import pytest

from torpor import codec
from torpor.errors import LimitExceededError, SerializationError
from torpor.limits import PAYLOAD_BYTES_MAX


def test_a_value_becomes_bytes_and_a_value_again() -> None:
    """Small ones in the clear, large ones compressed."""
    assert codec.dumps({"a": [1]}) == b'devl[{"a":1},[2],1]'
    assert codec.dumps(["x" * 2000]).startswith(b"zstd")
    assert codec.loads(codec.dumps(["x" * 2000])) == ["x" * 2000]


def test_a_text_goes_into_the_guest_and_comes_out() -> None:
    """The guest gets the text of an envelope, and what it returns is put into one."""
    data = codec.dumps(["é" * 2000])

    text = codec.unpack_devalue(data)

    assert text.startswith('devl[[1],"éé')
    assert codec.pack_devalue(text) == data


def test_a_text_of_a_guest_may_hold_lone_surrogates() -> None:
    """They are escaped, as the codec itself does."""
    assert codec.loads(codec.pack_devalue('devl["\ud800é"]')) == "\ud800é"


@pytest.mark.parametrize("text", ["", "[1]", "zstd"])
def test_what_a_guest_did_not_encode_is_refused(text: str) -> None:
    """The prefix is the sign that it did."""
    with pytest.raises(SerializationError, match="which is no codec text; it would begin with 'devl'"):
        codec.pack_devalue(text)


@pytest.mark.parametrize("read", [codec.loads, codec.unpack_devalue])
def test_text_that_is_not_utf8_is_refused(read: object) -> None:
    """It was damaged."""
    assert callable(read)
    with pytest.raises(SerializationError, match="damaged"):
        read(b'devl["\xff\xfe"]')


def test_a_value_beyond_the_limit_is_refused() -> None:
    """Both ways in lead through the same bound."""
    with pytest.raises(
        LimitExceededError, match=r"the limit for one payload is 16,777,216; store large data elsewhere"
    ):
        codec.dumps("x" * PAYLOAD_BYTES_MAX)
    with pytest.raises(LimitExceededError, match=r"^the result of step charge cannot be stored: the serialized value"):
        codec.dumps("x" * PAYLOAD_BYTES_MAX, "the result of step charge")
    with pytest.raises(LimitExceededError):
        codec.pack_devalue("devl" + "x" * PAYLOAD_BYTES_MAX)
