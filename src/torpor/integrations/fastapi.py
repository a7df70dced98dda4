"""
Torpor in FastAPI.

::

    site = FastAPI()
    mount(site, app, worker=True)

    @site.post("/orders/{order}")
    async def place(order: str, torpor: CurrentTorpor) -> str:
        return (await torpor.start(checkout, order, 4200)).id
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, Unpack

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from torpor.app import Torpor
from torpor.client import Client
from torpor.integrations import starlette
from torpor.integrations.mounting import Mount, Options


def mount(site: FastAPI, app: Torpor, **options: Unpack[Options]) -> Mount:
    """See :func:`torpor.integrations.starlette.mount`."""
    return starlette.mount(site, app, **options)


async def current_torpor(connection: HTTPConnection) -> Torpor:
    """Return the application that lives with the site; a dependency, which tests may override."""
    return starlette.torpor_of(connection)


async def current_client(torpor: CurrentTorpor) -> Client:
    """Return its client, which knows runs and no code: for sites that only ask."""
    return torpor.client


CurrentTorpor: TypeAlias = Annotated[Torpor, Depends(current_torpor)]
"""The application, as a parameter of a path operation."""

CurrentClient: TypeAlias = Annotated[Client, Depends(current_client)]
"""Its client, as a parameter of a path operation."""
