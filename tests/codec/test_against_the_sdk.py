"""Bytes of the TypeScript Workflow SDK and Torpor's are the same, and each reads the other's."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from tests.codec.corpus import (
    BUILT_IN,
    CYCLES,
    HANDLES,
    HANDLES_THAT_THE_SDK_MISTAKES,
    NESTED,
    NOT_KEPT_BY_PYTHON,
    OF_THE_SDK,
    PLAIN,
    SPARSE,
    WORDED_DIFFERENTLY,
)
from tests.codec.node import Node, NodeError
from torpor import codec
from torpor.codec.crypto.encryption import Key, derive_key, encrypt_for
from torpor.errors import SerializationError

pytestmark = pytest.mark.network

BATCH = 1_000
ERRORS_AND_CODE = [WORDED_DIFFERENTLY.get(expression, expression) for expression in OF_THE_SDK]


def text_of(value: object) -> str:
    """Return the text of a value."""
    return codec.unpack_devalue(codec.dumps(value))


def value_of(text: str) -> Any:
    """Return the value of a text."""
    return codec.loads(codec.pack_devalue(text))


def batches(texts: list[str]) -> Iterator[list[str]]:
    """Yield texts in numbers that one request may have."""
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def rewritten(node: Node, texts: list[str]) -> list[str]:
    """Return what JavaScript writes after it has read texts."""
    answers = [answer for batch in batches(texts) for answer in node("rewrite", batch)]
    assert [answer for answer in answers if "returned" not in answer] == []
    return [answer["returned"] for answer in answers]


# ── Every row of the table ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("expression", [*PLAIN, *SPARSE, *BUILT_IN, *ERRORS_AND_CODE, *NESTED, *CYCLES])
def test_the_guest_writes_what_the_sdk_writes(sdk: Node, node: Node, expression: str) -> None:
    """To the byte."""
    assert node("write", expression) == sdk("write", expression)


@pytest.mark.parametrize("expression", [*PLAIN, *SPARSE, *BUILT_IN, *ERRORS_AND_CODE, *NESTED])
def test_the_guest_writes_again_what_the_sdk_wrote(sdk: Node, node: Node, expression: str) -> None:
    """To the byte."""
    text = sdk("write", expression)

    assert rewritten(node, [text]) == [text]


@pytest.mark.parametrize(
    "expression",
    [it for it in [*PLAIN, *BUILT_IN, *ERRORS_AND_CODE, *NESTED, *CYCLES] if it not in NOT_KEPT_BY_PYTHON],
)
def test_python_writes_again_what_the_sdk_wrote(sdk: Node, expression: str) -> None:
    """To the byte."""
    text = sdk("write", expression)

    assert text_of(value_of(text)) == text


@pytest.mark.parametrize("text", HANDLES)
def test_handles_pass_through_the_sdk(sdk: Node, text: str) -> None:
    """To the byte."""
    assert rewritten(sdk, [f"devl{text}"]) == [f"devl{text}"]


@pytest.mark.parametrize("text", [*HANDLES, *HANDLES_THAT_THE_SDK_MISTAKES])
def test_handles_pass_through_python_and_the_guest(node: Node, text: str) -> None:
    """To the byte."""
    text = f"devl{text}"

    assert text_of(value_of(text)) == text
    assert rewritten(node, [text]) == [text]


@pytest.mark.parametrize("text", HANDLES_THAT_THE_SDK_MISTAKES)
def test_the_sdk_takes_a_request_with_a_signal_for_an_abort_controller(sdk: Node, text: str) -> None:
    """Whatever Torpor does, this one cannot come back; when it can, the text belongs to the others."""
    assert "AbortController" in rewritten(sdk, [f"devl{text}"])[0]


# ── Any value ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_thousands_of_values_pass_through_the_sdk(sdk: Node, many_values: list[Any]) -> None:
    """Python's bytes are read by the SDK, written by it, read by Python and written again; they never change."""
    texts = [text_of(value) for value in many_values]

    of_the_sdk = rewritten(sdk, texts)

    assert of_the_sdk == texts
    assert [text_of(value_of(text)) for text in of_the_sdk] == texts


def test_thousands_of_values_pass_through_the_guest(node: Node, many_values: list[Any]) -> None:
    """The guest's codec agrees with both."""
    texts = [text_of(value) for value in many_values]

    assert rewritten(node, texts) == texts


# ── Where the bytes cannot agree ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "python", "javascript"),
    [
        (1.0, "[1.0]", "[1]"),
        (1e22, "[1e22]", "[1e+22]"),
        (1e-6, "[1e-6]", "[0.000001]"),
        ({"b": 1, "2": 3}, '[{"b":1,"2":2},1,3]', '[{"2":1,"b":2},3,1]'),
        ("\ud800", r'["\ud800"]', '["\ufffd"]'),
    ],
    ids=["an integral float", "a large float", "a small float", "keys that are numbers", "half a surrogate pair"],
)
def test_the_bytes_differ_where_javascript_has_another_spelling(
    sdk: Node, value: object, python: str, javascript: str
) -> None:
    """The value is the same to JavaScript; only half a surrogate pair is lost, which UTF-8 has no bytes for."""
    assert text_of(value) == f"devl{python}"
    assert rewritten(sdk, [f"devl{python}"]) == [f"devl{javascript}"]


# ── The envelope ──────────────────────────────────────────────────────────────────────────────────────────────────────

LARGE = {"records": [{"id": number, "name": f"Ada {number}"} for number in range(500)]}


SECRET = derive_key(bytes(range(32)), "tests", "wrun_1")


def in_base64(data: bytes) -> str:
    """Return bytes in the form in which they travel to Node."""
    return base64.b64encode(data).decode()


def rewrapped(sdk: Node, envelope: bytes, *, key: bytes | None = None, compression: bool = False) -> bytes:
    """Return the envelope that the SDK writes after it has read another."""
    secret = None if key is None else in_base64(key)
    return base64.b64decode(sdk("rewrap", in_base64(envelope), secret, compression))


def test_python_reads_what_the_sdk_compressed(sdk: Node) -> None:
    """With zstd, or gzip where its Node has no zstd."""
    envelope = rewrapped(sdk, codec.pack_devalue(text_of([1])), compression=True)
    assert envelope == b"devl[[1],1]"

    plain = b"devl" + text_of(LARGE).encode()[4:]
    envelope = rewrapped(sdk, plain, compression=True)

    assert envelope[:4] in {b"zstd", b"gzip"}
    assert codec.loads(envelope) == LARGE


def test_the_sdk_reads_what_python_compressed(sdk: Node) -> None:
    """Where its Node has zstd; an older one says that it has none."""
    envelope = codec.dumps(LARGE)
    assert envelope[:4] == b"zstd"

    try:
        plain = rewrapped(sdk, envelope)
    except NodeError as error:
        assert "zstd support is not available in this runtime" in str(error)  # noqa: PT017  # the other way is right too
    else:
        assert plain == text_of(LARGE).encode()


@pytest.mark.parametrize("envelope", [b"xyz1[1]", b"DEVL[1]", b"de", b""])
def test_both_refuse_other_prefixes(sdk: Node, envelope: bytes) -> None:
    """Neither takes what it does not know for data."""
    with pytest.raises(NodeError):
        rewrapped(sdk, envelope)
    with pytest.raises(SerializationError):
        codec.loads(envelope)


def test_python_decrypts_what_the_sdk_encrypted(sdk: Node) -> None:
    """With the key of the run, compressed inside."""
    envelope = rewrapped(sdk, text_of(LARGE).encode(), key=SECRET, compression=True)

    assert envelope[:4] == b"encr"
    assert codec.loads(Key(SECRET).decrypt(envelope)) == LARGE


def test_the_sdk_decrypts_what_python_encrypted(sdk: Node) -> None:
    """And encrypts it again."""
    envelope = Key(SECRET).encrypt(text_of(LARGE).encode())

    again = rewrapped(sdk, envelope, key=SECRET)

    assert again[:4] == b"encr"
    assert again != envelope
    assert codec.loads(Key(SECRET).decrypt(again)) == LARGE


def test_both_derive_the_same_public_key(sdk: Node) -> None:
    """Of the key of the run."""
    assert sdk("publicKeyOf", in_base64(SECRET)) == in_base64(Key(SECRET).public)


def test_python_opens_what_the_sdk_encrypted(sdk: Node) -> None:
    """For the public half of the run's key."""
    encrypted = base64.b64decode(sdk("sealTo", in_base64(codec.dumps(LARGE)), in_base64(Key(SECRET).public)))

    assert encrypted[:4] == b"encp"
    assert codec.loads(Key(SECRET).decrypt_any(encrypted)) == LARGE


def test_the_sdk_opens_what_python_encrypted(sdk: Node) -> None:
    """With the secret half."""
    again = rewrapped(sdk, encrypt_for(Key(SECRET).public, text_of(LARGE).encode()), key=SECRET)

    assert codec.loads(Key(SECRET).decrypt(again)) == LARGE


@pytest.mark.parametrize("key", [None, bytes(32)], ids=["without a key", "with another key"])
def test_the_sdk_refuses_what_it_has_no_key_for(sdk: Node, key: bytes | None) -> None:
    """As Torpor does."""
    with pytest.raises(NodeError):
        rewrapped(sdk, Key(SECRET).encrypt(b"devl[1]"), key=key)
