"""The site: `uvicorn web:application`, and `python manage.py torpor_worker` beside it, which works on runs."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from torpor.integrations.django import asgi, current_torpor


async def order(request: HttpRequest, name: str) -> JsonResponse:
    """POST places an order; its run has its name, so that happens once however often this is asked."""
    if request.method == "POST":
        run = await current_torpor().start("checkout", name, 4200, run_id=name)
        return JsonResponse({"run": run.id}, status=201)
    return JsonResponse({"status": await current_torpor().run(name).status()})


async def approve(request: HttpRequest, name: str) -> JsonResponse:
    """404 is the answer when nobody waits for it."""
    run = await current_torpor().resume_hook(f"approve:{name}", "yes")
    return JsonResponse({"status": await run.status()})


urlpatterns = [path("orders/<name>", order), path("orders/<name>/approve", approve)]

application = asgi(get_asgi_application())
