"""
Torpor in Flask.

::

    site = Flask(__name__)
    mount(site, app)

    @site.post("/orders/<order>")
    def place(order: str) -> str:
        return current_torpor().start(checkout, order, 4200).id
"""

from __future__ import annotations

from typing import Unpack

from flask import Flask, Response, current_app

from torpor.app import Torpor
from torpor.errors import TorporError, UsageError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.mounting import Options
from torpor.integrations.wsgi import WsgiMount
from torpor.sync import SyncTorpor


def mount(site: Flask, app: Torpor, **options: Unpack[Options]) -> WsgiMount:
    """
    Let an application live with a site, and answer below a prefix of it. The site answers errors of :data:`ANSWERED`.

    Args:
        site: before it is served.
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """
    made = WsgiMount(app, **options)
    site.wsgi_app = made.beside(site.wsgi_app)  # type: ignore[method-assign,assignment,unused-ignore]  # as its manual says
    for kind in ANSWERED:
        site.register_error_handler(kind, _answer)
    site.extensions["torpor"] = made
    return made


def current_torpor() -> SyncTorpor:
    """
    Return the application that lives with the site at work, behind blocking calls.

    Raises:
        UsageError: there is none.
    """
    found = current_app.extensions.get("torpor")
    if not isinstance(found, WsgiMount):
        raise UsageError("nothing is mounted beside this application: see docs/frameworks.md")
    return found.open()


def _answer(error: TorporError) -> Response:
    told = problem_of(error)
    return Response(told.body, told.status, content_type=told.media_type)
