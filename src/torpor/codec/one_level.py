"""
Reading the form in which the npm package writes its own types: ``["Date", "1970-…"]``, not ``[["Date", 1], "1970-…"]``.

A reducer's type is ``[name, index of the payload]``. The package's built-in types put what they consist of into that
same array instead. Here such an array is turned into the first form by appending a payload to the values, so that a
reducer never hears of the second.
"""

from __future__ import annotations

from typing import Any

from torpor.errors import SerializationError

Slot = list[Any]


def is_one_level(slot: Slot, values: list[Any]) -> bool:
    """Tell whether the operands of a named array are not the index of a payload."""
    if len(slot) != 2 or type(slot[1]) is not int:
        return True
    if slot[0] != "Set":
        return False
    # A Set of one member looks like a payload's index; a payload would be a plain array.
    member = values[slot[1]] if 0 <= slot[1] < len(values) else None
    return type(member) is not list or (bool(member) and type(member[0]) is str)


def payload_index(slot: Slot, values: list[Any]) -> int:
    """
    Append the payload that the operands of a named array amount to, and return its index.

    Raises:
        SerializationError: the name's operands are not of this number or kind.
    """
    name, *operands = slot
    payload: object = None
    match operands:
        case [str(text)] if name != "RegExp":
            payload = text
        case [str(source), *flags] if name == "RegExp" and len(flags) <= 1:
            values.extend([source, *(flags or [""])])
            payload = {"source": len(values) - 2, "flags": len(values) - 1}
        case [int(buffer), int(offset), int(length)] if name.endswith("Array") or name == "DataView":
            values.extend([offset, length])
            payload = {"buffer": buffer, "offset": len(values) - 2, "length": len(values) - 1}
        case members if name == "Set":
            payload = members
        case members if name == "Map" and len(members) % 2 == 0:
            pairs = [members[at : at + 2] for at in range(0, len(members), 2)]
            values.extend(pairs)
            payload = list(range(len(values) - len(pairs), len(values)))
    if payload is None:
        raise SerializationError(f"damaged devalue text: {name!r} with operands {operands!r:.200}")
    values.append(payload)
    return len(values) - 1
