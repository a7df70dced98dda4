"""Steps that must not happen twice."""

from __future__ import annotations

from tests.semantics.application import app
from tests.semantics.steps import charge_once
from torpor import StepError


@app.workflow
async def charges_once(how: str) -> object:
    try:
        return await charge_once(how)
    except StepError as error:
        return str(error)
