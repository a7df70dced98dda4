"""The site: `uvicorn web:site`. http://127.0.0.1:8000/torpor/ shows runs to who has a token: `torpor tokens create`."""

from app import app
from fastapi import FastAPI
from torpor.integrations.fastapi import CurrentTorpor, mount

site = FastAPI()
mount(site, app, worker=True)


@site.post("/orders/{order}", status_code=201)
async def place(order: str, torpor: CurrentTorpor) -> dict[str, str]:
    """The run has the order's name, so it is placed once however often this is asked."""
    run = await torpor.start("checkout", order, 4200, run_id=order)
    return {"run": run.id}


@site.post("/orders/{order}/approve")
async def approve(order: str, torpor: CurrentTorpor) -> dict[str, str]:
    """404 is the answer when nobody waits for it."""
    await torpor.resume_hook(f"approve:{order}", "yes")
    return await look(order, torpor)


@site.get("/orders/{order}")
async def look(order: str, torpor: CurrentTorpor) -> dict[str, str]:
    return {"status": await torpor.run(order).status()}
