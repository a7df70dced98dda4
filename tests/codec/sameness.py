"""What it takes for two values to be the same: ``==`` takes 1 for 1.0 and for True, and NaN for nothing."""

from __future__ import annotations

from typing import Any

from torpor import codec


def there_and_back(value: object) -> Any:
    """Return what is read of the bytes that a value is written to."""
    return codec.loads(codec.dumps(value))


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values have the same types and contents, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one.hex() == float(other).hex()
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=False)
        return len(one) == len(other) and all(is_same(mine, theirs) for mine, theirs in pairs)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, set | frozenset):
        return one == other and {type(member) for member in one} == {type(member) for member in other}
    return bool(one == other)
