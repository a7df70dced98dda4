"""The numbers of the engine's classes, by the names that say what an object is."""

from __future__ import annotations

from enum import IntEnum


class Class(IntEnum):
    """What an object is to the engine; classes of programs are :attr:`OBJECT`."""

    OBJECT = 1
    ARRAY = 2
    ERROR = 3
    NUMBER = 4
    STRING = 5
    BOOLEAN = 6
    SYMBOL = 7
    ARGUMENTS = 8
    DATE = 10
    MODULE = 11
    NATIVE_FUNCTION = 12
    FUNCTION = 13
    BOUND_FUNCTION = 14
    NATIVE_CLOSURE = 15
    GENERATOR_FUNCTION = 17
    REGEXP = 19
    ARRAY_BUFFER = 20
    SHARED_ARRAY_BUFFER = 21
    UINT8C_ARRAY = 22
    INT8_ARRAY = 23
    UINT8_ARRAY = 24
    INT16_ARRAY = 25
    UINT16_ARRAY = 26
    INT32_ARRAY = 27
    UINT32_ARRAY = 28
    BIG_INT64_ARRAY = 29
    BIG_UINT64_ARRAY = 30
    FLOAT16_ARRAY = 31
    FLOAT32_ARRAY = 32
    FLOAT64_ARRAY = 33
    DATA_VIEW = 34
    BIG_INT = 35
    MAP = 36
    SET = 37
    WEAK_MAP = 38
    WEAK_SET = 39
    GENERATOR = 49
    PROXY = 51
    PROMISE = 52
    RESOLVE = 53
    REJECT = 54
    ASYNC_FUNCTION = 55
    ASYNC_RESOLVE = 56
    ASYNC_REJECT = 57
    ASYNC_FROM_SYNC = 58
    ASYNC_GENERATOR_FUNCTION = 59
    ASYNC_GENERATOR = 60
    DOM_EXCEPTION = 64


CODED = frozenset((Class.FUNCTION, Class.GENERATOR_FUNCTION, Class.ASYNC_FUNCTION, Class.ASYNC_GENERATOR_FUNCTION))
"""Functions of programs."""
