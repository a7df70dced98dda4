"""What is encoded and decoded: values that all of the codecs know."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

from torpor.limits import KIB, MIB

COLLECTION = 100_000
"""Elements of the large collections."""


def payloads() -> dict[str, Any]:
    """Return the payloads by name: records that are so large as JSON, text, and large collections."""
    dice = random.Random(1)  # noqa: S311  # a benchmark's data, no secret
    return {
        "1 KB": _records(KIB, dice),
        "10 KB": _records(10 * KIB, dice),
        "1 MB": _records(MIB, dice),
        "10 KB of text": base64.b64encode(dice.randbytes(7_680)).decode(),
        "100 000 numbers": list(range(COLLECTION)),
        "100 000 keys": {f"key {number}": number / 8 for number in range(COLLECTION)},
    }


def _records(size: int, dice: random.Random) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    while size > 0:
        record = {
            "id": len(records),
            "name": f"Ada {len(records)}",
            "price": dice.random(),
            "tags": ["new", "paid"],
            "note": None,
            "open": True,
        }
        records.append(record)
        size -= len(json.dumps(record)) + 2
    return records
