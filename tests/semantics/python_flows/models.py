"""pydantic models as arguments and results of steps."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, field_validator

from tests.semantics.application import app


class Line(BaseModel):
    """Part of a basket."""

    name: str
    cents: int = Field(gt=0)


class Basket(BaseModel):
    """What is bought."""

    customer: str
    lines: list[Line] = Field(default_factory=list)

    @field_validator("customer")
    @classmethod
    def trimmed(cls, customer: str) -> str:
        """Take blanks away."""
        return customer.strip()


class Bill(BaseModel):
    """What is paid."""

    basket: Basket
    total: int


@app.step(max_retries=0)
async def bill(basket: Basket) -> Bill:
    """Add up."""
    assert isinstance(basket, Basket)
    assert all(isinstance(line.cents, int) for line in basket.lines)
    return Bill(basket=basket, total=sum(line.cents for line in basket.lines))


@app.workflow
async def pays(cents: Any) -> dict[str, Any]:
    basket = Basket(customer=" ada ", lines=[Line(name="lamp", cents=cents)])
    billed = await bill(basket)
    assert isinstance(billed, Bill)
    return {"customer": billed.basket.customer, "total": billed.total, "dump": billed.model_dump()}


@app.workflow
async def takes_and_returns(basket: Basket) -> Bill:
    basket.lines.append(Line(name="bag", cents=20))
    return await bill(basket)
