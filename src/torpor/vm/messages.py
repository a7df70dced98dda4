"""
The messages of a turn, in and out: JSON on the first line, and codec texts on lines of their own behind it.

A codec text has no line break (devalue escapes control characters), so texts need no quoting a second time, which for
a payload of 10 KB costs more inside the guest than all else in a turn. They stand in the order in which the JSON
would have held them; in the JSON an empty string marks the place of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.errors import ConfigurationError, LimitExceededError
from torpor.limits import LOG_LINES_PER_TURN_MAX, OPS_PER_TURN_MAX
from torpor.vm.guest import Answer, Delivery, Op, Outbox

_decoder = msgspec.json.Decoder(Outbox)
_answer = msgspec.json.Decoder(Answer)
_encoder = msgspec.json.Encoder()
_PLACE: Final = ""
_ESCAPE: Final = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


def inbox_bytes(inbox: Sequence[Delivery]) -> bytes:
    """Return the message that hands deliveries to the guest."""
    bare: list[Delivery] = []
    texts: list[bytes] = []
    for d in inbox:  # in one loop: every result goes through here
        value, error = d.value, d.error
        if value is not None:
            texts.append(value.encode("utf-8", "surrogatepass"))
            value = _PLACE
        if error is not None:
            texts.append(error.encode("utf-8", "surrogatepass"))
            error = _PLACE
        bare.append(Delivery(d.type, d.op, d.at, value, error, d.owner, d.name))
    return b"\n".join((_encoder.encode(bare), *texts))


def query_bytes(name: str, args: str) -> bytes:
    """Return the message that asks a guest for the answer to a query: an evaluation of what is no source."""
    return b"\0" + _encoder.encode({"name": name, "args": args})


def answer_of(message: bytes) -> Answer:
    """
    Return the answer to a query.

    Raises:
        ConfigurationError: the guest build took the query for source, because it knows none.
    """
    try:
        answer = _answer.decode(message)
    except msgspec.DecodeError:
        answer = Answer()
    if answer.value is None and answer.error is None:
        raise ConfigurationError(
            "the guest build that this run sleeps in is older than queries, and has none; it keeps that build until it "
            "ends, and new runs have queries"
        )
    return answer


def outbox_of(message: bytes) -> Outbox:
    """
    Return the outbox that the guest has written.

    Raises:
        ValueError: the message is not one.
        LimitExceededError: it asks for more than :data:`torpor.limits.OPS_PER_TURN_MAX` things.
    """
    head, _, rest = message.partition(b"\n")
    try:
        outbox = _decoder.decode(head)
    except msgspec.DecodeError:
        outbox = _decoder.decode(_without_lone_surrogates(head))
    if len(outbox.ops) > OPS_PER_TURN_MAX:
        raise LimitExceededError(
            f"{len(outbox.ops)} steps, waits and hooks were asked for at once, the limit is {OPS_PER_TURN_MAX}; start "
            f"them in smaller groups"
        )
    if len(outbox.logs) > LOG_LINES_PER_TURN_MAX:
        raise ValueError(f"it has {len(outbox.logs)} log lines; {LOG_LINES_PER_TURN_MAX} are kept of one turn")
    if not rest:
        return outbox
    texts = _lines(rest)
    ops = [_filled(op, texts) for op in outbox.ops]
    value = _next(texts) if outbox.value == _PLACE else outbox.value
    error = _next(texts) if outbox.error == _PLACE else outbox.error
    return replace(outbox, ops=ops, value=value, error=error)


def _filled(op: Op, texts: Iterator[bytes]) -> Op:
    return replace(op, input=_next(texts)) if op.input == _PLACE else op


def _lines(texts: bytes) -> Iterator[bytes]:
    """Give the texts one by one; a message may have more line breaks than anybody wants to hold lines."""
    at = 0
    while at <= len(texts):
        end = texts.find(b"\n", at)
        end = len(texts) if end < 0 else end
        yield texts[at:end]
        at = end + 1


def _next(texts: Iterator[bytes]) -> str:
    text = next(texts, None)
    if text is None:
        raise ValueError("it has fewer codec texts than places for them")
    return text.decode("utf-8", "surrogatepass")


def _without_lone_surrogates(text: bytes) -> bytes:
    """JavaScript writes half a surrogate pair as an escape that is no valid JSON elsewhere; it becomes U+FFFD."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], text)
