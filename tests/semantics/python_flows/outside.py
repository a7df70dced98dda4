"""Modules that only steps can use: harmless to import, and an error that says so when a workflow uses them."""

from __future__ import annotations

import logging

import psutil

from tests.semantics.application import app
from torpor.errors import NotInWorkflowError

CORES = psutil.cpu_count


@app.step
async def asks_the_machine() -> int:
    """Use the module where it is."""
    return psutil.cpu_count() or 1


@app.workflow
async def uses_a_placeholder() -> dict[str, object]:
    from_step = await asks_the_machine()
    try:
        return {"cores": psutil.cpu_count(), "from step": from_step}
    except NotInWorkflowError as error:
        return {"told": str(error), "code": error.code, "from step": from_step}


@app.workflow
async def does_not_catch_it() -> object:
    return CORES()


@app.workflow
async def writes_logs() -> None:
    log = logging.getLogger("shop")
    print("several", "words", sep=", ")
    print("two\nlines")
    log.debug("not shown")
    log.info("sold %d of %s", 3, "lamps")
    try:
        raise LookupError("gone")
    except LookupError:
        log.exception("it went wrong")
