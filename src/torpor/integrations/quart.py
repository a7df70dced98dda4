"""
Torpor in Quart.

::

    site = Quart(__name__)
    mount(site, app, worker=True)

    @site.post("/orders/<order>")
    async def place(order: str) -> str:
        return (await current_torpor().start(checkout, order, 4200)).id
"""

from __future__ import annotations

from typing import Any, Unpack

from quart import Quart, Response, current_app

from torpor.app import Torpor
from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.mounting import Mount, Options, required


def mount(site: Quart, app: Torpor, **options: Unpack[Options]) -> Mount:
    """
    Let an application live with a site, and answer below a prefix of it. The site answers errors of :data:`ANSWERED`.

    Args:
        site: before it is served.
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """
    made = Mount(app, **options)
    site.before_serving(made.open)
    site.after_serving(made.close)
    site.asgi_app = made.beside(site.asgi_app)  # type: ignore[method-assign,assignment,unused-ignore]  # the way to wrap it
    for kind in ANSWERED:
        site.register_error_handler(kind, _answer)
    site.extensions["torpor"] = made
    return made


def current_torpor() -> Torpor:
    """
    Return the application that lives with the site at work.

    Raises:
        UsageError: there is none.
    """
    return required(current_app.extensions.get("torpor")).here()


def _answer(error: Any) -> Response:
    assert isinstance(error, TorporError), "it is registered for these"
    told = problem_of(error)
    return Response(told.body, told.status, content_type=told.media_type)
