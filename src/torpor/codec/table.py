"""The table: everything that the codec can write and read, in match order."""

from __future__ import annotations

from collections.abc import Callable

from torpor.clock import Clock
from torpor.codec.binary_types import BINARY_REDUCERS
from torpor.codec.class_types import CLASS_TYPES
from torpor.codec.collection_types import COLLECTION_TYPES
from torpor.codec.custom_types import CUSTOM_TYPES
from torpor.codec.error_types import ERROR_REDUCERS, author_errors
from torpor.codec.exception_types import exception_type
from torpor.codec.flatten import flatten
from torpor.codec.instances import instance_reducers
from torpor.codec.javascript_types import CODE_REDUCERS, JAVASCRIPT_REDUCERS
from torpor.codec.model_types import MODEL_TYPES
from torpor.codec.python_types import VALUE_TYPES
from torpor.codec.reducers import Table
from torpor.errors import SerializationError


def standard_table(clock: Clock) -> Table:
    """Return the table of all types that Torpor knows; *clock* resolves the relative times of a RetryableError."""
    # Whether an exception's argument can be stored is found out by trying. In the table for trying exceptions keep all
    # their arguments, or those of one inside another would be tried over and over.
    trial = _table(clock, lambda _: True)

    def is_storable(value: object) -> bool:
        try:
            flatten(value, trial)
        except SerializationError:
            return False
        return True

    return _table(clock, is_storable)


def _table(clock: Clock, is_storable: Callable[[object], bool]) -> Table:
    return Table(
        [
            *CODE_REDUCERS,
            *BINARY_REDUCERS,
            *JAVASCRIPT_REDUCERS,
            *ERROR_REDUCERS,
            *author_errors(clock),
            *instance_reducers(
                [
                    *CUSTOM_TYPES,
                    *VALUE_TYPES,
                    *COLLECTION_TYPES,
                    exception_type(is_storable),
                    *MODEL_TYPES,
                    *CLASS_TYPES,
                ]
            ),
        ]
    )
