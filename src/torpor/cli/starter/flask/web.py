"""The site: `flask --app web run`. Its /torpor/ shows runs to who has a token: `torpor tokens create`."""

from app import app
from flask import Flask
from torpor.integrations.flask import current_torpor, mount

site = Flask(__name__)
mounted = mount(site, app, worker=True)


@site.post("/orders/<order>")
def place(order: str) -> tuple[dict[str, str], int]:
    """The run has the order's name, so it is placed once however often this is asked."""
    run = current_torpor().start("checkout", order, 4200, run_id=order)
    return {"run": run.id}, 201


@site.post("/orders/<order>/approve")
def approve(order: str) -> dict[str, str]:
    """404 is the answer when nobody waits for it."""
    current_torpor().resume_hook(f"approve:{order}", "yes")
    return look(order)


@site.get("/orders/<order>")
def look(order: str) -> dict[str, str]:
    return {"status": current_torpor().run(order).status()}
