"""The table: everything that the codec can write and read, in match order."""

from __future__ import annotations

from torpor.clock import Clock
from torpor.codec.types.binary import BINARY_REDUCERS
from torpor.codec.types.custom import CUSTOM_TYPES
from torpor.codec.types.errors import ERROR_REDUCERS, author_errors, exception_type
from torpor.codec.types.javascript import CODE_REDUCERS, JAVASCRIPT_REDUCERS
from torpor.codec.types.models import MODEL_TYPE
from torpor.codec.types.python import COLLECTION_TYPES, VALUE_TYPES
from torpor.codec.types.records import ATTRS_TYPE, CLASS_TYPES
from torpor.codec.wire.flatten import flatten
from torpor.codec.wire.reducers import Reducer, Table, instance_reducers, subclass_of
from torpor.errors import SerializationError


def standard_table(clock: Clock) -> Table:
    """Return the table of all types that Torpor knows; *clock* resolves the relative times of a RetryableError."""
    # Whether an exception's argument can be stored is found out by trying. Exceptions within count as stored, which all
    # of them can be: else those inside one another would be tried over and over.
    trial = Table([_ANY_EXCEPTION, *_OF_VALUES, *instance_reducers(_KINDS_OF_VALUES)])

    def is_storable(value: object) -> bool:
        try:
            flatten(value, trial)
        except SerializationError:
            return False
        return True

    kinds = [*CUSTOM_TYPES, *VALUE_TYPES, *COLLECTION_TYPES, exception_type(is_storable), *_MODEL_TYPES, *CLASS_TYPES]
    return Table([*_OF_VALUES, *ERROR_REDUCERS, *author_errors(clock, is_storable), *instance_reducers(kinds)])


_MODEL_TYPES = (MODEL_TYPE, ATTRS_TYPE)
_OF_VALUES = (*CODE_REDUCERS, *BINARY_REDUCERS, *JAVASCRIPT_REDUCERS)
_KINDS_OF_VALUES = (*CUSTOM_TYPES, *VALUE_TYPES, *COLLECTION_TYPES, *_MODEL_TYPES, *CLASS_TYPES)
_ANY_EXCEPTION = Reducer("Error", subclass_of(BaseException), lambda _: None, lambda _: None)
