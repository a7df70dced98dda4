"""
How QuickJS-NG 0.17 lays its structures out in 32-bit WebAssembly memory: offsets in bytes.

The engine tells nobody, so nothing here is believed before :mod:`torpor.guests.quickjs.heap.probe` has read a program
with it whose contents are known.
"""

from __future__ import annotations

from typing import Final

# Values are 64 bits: a tag above 32 bits of payload, or a number of any other upper half.
TAG_BIG_INT: Final = -9
TAG_SYMBOL: Final = -8
TAG_STRING: Final = -7
TAG_ROPE: Final = -6
TAG_OBJECT: Final = -1
TAG_INT: Final = 0
TAG_BOOL: Final = 1
TAG_NULL: Final = 2
TAG_UNDEFINED: Final = 3
TAG_UNINITIALIZED: Final = 4
TAG_SHORT_BIG_INT: Final = 7
TAG_FIRST: Final = -9
TAG_FLOAT: Final = 8
FLOAT_ADDEND: Final = (0x7FF80000 - TAG_FIRST + 1) << 32

# The header before each allocation.
GC_TYPE_BEFORE: Final = 5
GC_TYPE_MASK: Final = 0x7F
GC_OBJECT: Final = 0
GC_ASYNC_FUNCTION: Final = 4

CONTEXT_RUNTIME: Final = 8
CONTEXT_PREPARE_STACK: Final = 184
CONTEXT_GLOBAL: Final = 256
CONTEXT_MODULES: Final = 296

RUNTIME_ATOM_SIZE: Final = 556
RUNTIME_ATOMS: Final = 568
RUNTIME_CLASS_COUNT: Final = 580
RUNTIME_CLASSES: Final = 584
RUNTIME_GC_OBJECTS: Final = 596
RUNTIME_FRAME: Final = 660

CLASS_BYTES: Final = 24
CLASS_NAME: Final = 4

# Strings, which atoms and symbols are too.
STRING_LENGTH: Final = 0
STRING_KIND: Final = 4
STRING_DATA: Final = 24
STRING_SLICE_START: Final = 28
SLICE, INDIRECT = 1, 2
ROPE_LENGTH: Final = 0
ROPE_LEFT: Final = 8
ROPE_RIGHT: Final = 16
ATOM_PRIVATE: Final = (3, 1)
"""Type of an atom, and its hash: a private name's."""

OBJECT_FLAGS: Final = 8
FLAG_FAST_ARRAY: Final = 1 << 4
OBJECT_CLASS: Final = 10
OBJECT_SHAPE: Final = 12
OBJECT_PROPERTIES: Final = 16
OBJECT_DATA: Final = 24
ARRAY_VALUES: Final = 28
ARRAY_COUNT: Final = 32

SHAPE_HASH_MASK: Final = 16
SHAPE_COUNT: Final = 24
SHAPE_PROTOTYPE: Final = 36
SHAPE_TABLE: Final = 40
PROPERTY_ENUMERABLE: Final = 1 << 2
PROPERTY_KIND: Final = 3 << 4
PROPERTY_VALUE, PROPERTY_ACCESSOR, PROPERTY_REFERENCE = 0, 1 << 4, 2 << 4

FUNCTION_CODE: Final = 24
FUNCTION_REFERENCES: Final = 28

REFERENCE_TO: Final = 12

CODE_FLAGS: Final = 8
CODE_KIND_SHIFT: Final = 5
CODE_BYTES: Final = 12
CODE_LENGTH: Final = 16
CODE_NAME: Final = 20
CODE_VARIABLES: Final = 24
CODE_CLOSURE: Final = 28
CODE_ARGUMENT_COUNT: Final = 32
CODE_VARIABLE_COUNT: Final = 34
CODE_CLOSURE_COUNT: Final = 42
CODE_FILE: Final = 56
CODE_LINE: Final = 60
CODE_COLUMN: Final = 64
CODE_PLACES_LENGTH: Final = 72
CODE_PLACES: Final = 76

VARIABLE_BYTES: Final = 20
VARIABLE_KIND: Final = 12
VARIABLE_KIND_SHIFT: Final = 4
VARIABLE_FUNCTION_NAME: Final = 4
VARIABLE_USING: Final = 10

CLOSURE_BYTES: Final = 8
CLOSURE_KIND_MASK: Final = 7
CLOSURE_LOCAL, CLOSURE_ARGUMENT, CLOSURE_REFERENCE = 0, 1, 2
CLOSURE_NAME: Final = 4

OP_NEXT_OF_FOR_AWAIT: Final = 130
"""Instruction behind the ``await`` of a ``for await``, and behind no other."""

# A frame of a function; that of one that waits lies inside the state of its coroutine.
FRAME_PREVIOUS: Final = 0
FRAME_FUNCTION: Final = 8
FRAME_ARGUMENTS: Final = 16
FRAME_VARIABLES: Final = 20
FRAME_AT: Final = 28
FRAME_ARGUMENT_COUNT: Final = 34
FRAME_STACK: Final = 40

STATE_THIS: Final = 0
STATE_FRAME: Final = 16

ASYNC_RESOLVE: Final = 8
ASYNC_ACTIVE: Final = 24
ASYNC_STATE: Final = 32

GENERATOR_PHASE: Final = 4
GENERATOR_STATE: Final = 8
GENERATOR_QUEUE: Final = 72
GENERATOR_ENDED: Final = 4
REQUEST_PROMISE: Final = 24

PROMISE_STATE: Final = 0
PROMISE_REACTIONS: Final = 4
PROMISE_RESULT: Final = 24
RESOLVE_PROMISE: Final = 0
REACTION_RESOLVE: Final = 8
REACTION_HANDLER: Final = 24

MAP_RECORDS: Final = 4
MAP_COUNT: Final = 12
RECORD_LINK: Final = 12
RECORD_EMPTY: Final = 4
RECORD_KEY: Final = 32
RECORD_VALUE: Final = 40

NATIVE_COUNT: Final = 5
NATIVE_DATA: Final = 8

BOUND_FUNCTION: Final = 0
PROXY_TARGET: Final = 0

BUFFER_LENGTH: Final = 0
VIEW_BUFFER: Final = 12
VIEW_LENGTH: Final = 20

MODULE_LINK: Final = 4
MODULE_EXPORTS: Final = 24
MODULE_EXPORT_COUNT: Final = 28
EXPORT_BYTES: Final = 20
EXPORT_REFERENCE: Final = 4
EXPORT_KIND: Final = 8
EXPORT_NAME: Final = 16
EXPORT_LOCAL: Final = 0
