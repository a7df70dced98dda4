"""A run that does nothing for long."""

import asyncio

from torpor import hook


async def idle(token: str) -> object:
    """Wait for a year, or for somebody."""
    async with asyncio.timeout(365 * 86_400):
        return await hook(token)
