"""
Ids: ULIDs (https://github.com/ulid/spec) behind a prefix that names what they identify.

Run ids come from real entropy. Correlation ids (``step_…``, ``wait_…``, ``hook_…``) are a pure function of the run's
seed and the op's number, so that a replay gives every op the id that it had.
"""

from __future__ import annotations

import hashlib
import os
from typing import Literal

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BYTES = 10
_TIME_CHARS = 10
_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
SEED_BYTES = 32

Prefix = Literal["wrun", "step", "wait", "hook", "wrkr", "rsme", "msg", "wrtr"]


def ulid(at: int, randomness: bytes) -> str:
    """
    Return the 26-character ULID of a time and 10 random bytes.

    Args:
        at: epoch milliseconds, below 2**48.
        randomness: exactly 10 bytes.
    """
    if len(randomness) != _RANDOM_BYTES:
        raise ValueError(f"a ULID takes {_RANDOM_BYTES} random bytes, not {len(randomness)}")
    number = (at << 80) | int.from_bytes(randomness)
    return "".join([_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)])


def fresh(prefix: Prefix, at: int) -> str:
    """Return a new id from real entropy, such as ``wrun_01J…``."""
    return f"{prefix}_{ulid(at, os.urandom(_RANDOM_BYTES))}"


def correlation(prefix: Prefix, seed: bytes, op: int, at: int) -> str:
    """Return the id of op number *op* of the run with this *seed*; the same in every replay."""
    return f"{prefix}_{ulid(at, _op_digest(seed, op))}"


def is_correlation(found: str, prefix: str, seed: bytes, op: int) -> bool:
    """Return whether an id is that of op number *op* of a run with this *seed*, whenever that was emitted."""
    its_prefix, _, code = found.partition("_")
    try:
        return its_prefix == prefix and int(code[_TIME_CHARS:].translate(_DIGITS), 32) == int.from_bytes(
            _op_digest(seed, op)
        )
    except ValueError:
        return False


def time_of(made: str) -> int:
    """Return the time in an id, in epoch milliseconds; -1 when it has none."""
    try:
        return int(made.rpartition("_")[2][:_TIME_CHARS].translate(_DIGITS), 32)
    except ValueError:
        return -1


def _op_digest(seed: bytes, op: int) -> bytes:
    return hashlib.blake2b(op.to_bytes(8), key=seed, digest_size=_RANDOM_BYTES, person=b"torpor-op-id").digest()


def child(step_id: str) -> str:
    """
    Return the id of the run that a step starts; the same in every attempt of the step.

    Its time is the step's, so that runs are listed in the order in which they were asked for.
    """
    digest = hashlib.blake2b(step_id.encode(), digest_size=_RANDOM_BYTES, person=b"torpor-child-id")
    asked_at = step_id.rpartition("_")[2][:_TIME_CHARS]
    return f"wrun_{asked_at}{ulid(0, digest.digest())[_TIME_CHARS:]}"


def scheduled(schedule_id: str, slot: int) -> str:
    """Return the id of the run that a slot of a schedule begins, whoever starts it; its time is the slot's."""
    digest = hashlib.blake2b(f"{schedule_id}//{slot}".encode(), digest_size=_RANDOM_BYTES, person=b"torpor-slot-id")
    return f"wrun_{ulid(slot, digest.digest())}"


def seed() -> bytes:
    """Return a fresh secret seed for a run."""
    return os.urandom(SEED_BYTES)
