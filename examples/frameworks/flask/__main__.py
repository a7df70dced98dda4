"""Orders in Flask: ``python -m examples.frameworks.flask``."""

from __future__ import annotations

from flask import Flask

from examples.frameworks.shop import PORT, app
from torpor.integrations.flask import current_torpor, mount

site = Flask("shop")
mounted = mount(site, app, worker=True)


@site.post("/orders/<order>")
def place(order: str) -> tuple[dict[str, str], int]:
    """Place an order."""
    run = current_torpor().start("checkout", order, 4200, run_id=order)
    return {"run": run.id}, 201


@site.post("/orders/<order>/ship")
def ship(order: str) -> dict[str, str]:
    """Give the parcel to a carrier."""
    run = current_torpor().resume_hook(f"parcel:{order}", "a bicycle")
    return {"run": run.id}


@site.get("/orders/<order>")
def look(order: str) -> list[str]:
    """Return what became of an order."""
    found: list[str] = current_torpor().run(order).result(timeout=60)
    return found


if __name__ == "__main__":
    mounted.open()  # work begins now, and not with the first request
    site.run(port=PORT)
