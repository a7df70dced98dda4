"""
Orders in Django: ``python -m examples.frameworks.django`` serves them by ASGI, with ``wsgi`` behind it by WSGI.

Settings, a model, views and addresses, which commonly have files of their own. An order and its run are stored in one
transaction: the tables of both are in one database.
"""

from __future__ import annotations

import asyncio
import sys

import django
import uvicorn
from django.conf import settings

from examples.frameworks.shop import PORT, app

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": app.world.url.removeprefix("sqlite:///"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    },
    INSTALLED_APPS=["torpor.integrations.django"],
    MIDDLEWARE=["torpor.integrations.django.middleware.ProblemMiddleware"],
    ROOT_URLCONF=__name__,
    TORPOR={"APP": "examples.frameworks.shop:app", "WORKER": True},
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402  # once Django is set up
from django.core.servers.basehttp import run  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

from torpor.integrations.django import asgi, sync_torpor, wsgi  # noqa: E402


class Order(models.Model):
    """An order."""

    name = models.CharField(max_length=100, primary_key=True)

    class Meta:
        """Where it is."""

        app_label = "shop"


def order(request: HttpRequest, name: str) -> JsonResponse:
    """Place an order, or return what became of it."""
    if request.method == "POST":
        with transaction.atomic():
            Order.objects.create(name=name)
            run = sync_torpor().start("checkout", name, 4200, run_id=name, connection=connection)
        return JsonResponse({"run": run.id}, status=201)
    return JsonResponse(sync_torpor().run(name).result(timeout=60), safe=False)


def ship(_request: HttpRequest, name: str) -> JsonResponse:
    """Give the parcel to a carrier."""
    run = sync_torpor().resume_hook(f"parcel:{name}", "a bicycle")
    return JsonResponse({"run": run.id})


urlpatterns = [path("orders/<name>", order), path("orders/<name>/ship", ship)]


async def make_tables() -> None:
    """Make the database: Torpor's tables first, since it takes no file of others for its own."""
    async with app:
        pass


def say(port: int) -> None:
    """Tell where it is."""
    print(f"serving http://127.0.0.1:{port}", flush=True)


if __name__ == "__main__":
    asyncio.run(make_tables())
    if Order._meta.db_table not in connection.introspection.table_names():  # noqa: SLF001  # as Django's manual says
        with connection.schema_editor() as editor:
            editor.create_model(Order)
    if "wsgi" in sys.argv:
        run("127.0.0.1", PORT, wsgi(get_wsgi_application()), threading=True, on_bind=say)
    else:
        uvicorn.run(asgi(get_asgi_application()), port=PORT, timeout_graceful_shutdown=5)
