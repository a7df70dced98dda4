"""``manage.py torpor_worker``: carry out runs until told to stop."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from torpor.app import Torpor
from torpor.cli.stopping import StopRequest
from torpor.errors import ConfigurationError, WorldError
from torpor.integrations.django import configured_app


class Command(BaseCommand):
    """A worker in this process; start several for several cores."""

    help = "Work on runs until told to stop: SIGTERM or Ctrl-C parks all runs and waits for running steps."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = StopRequest()
        try:
            asyncio.run(self._work(configured_app(), stop))
        except (ConfigurationError, WorldError) as error:
            raise CommandError(str(error)) from error

    async def _work(self, app: Torpor, stop: StopRequest) -> None:
        async with app, app.worker() as worker:
            self.stdout.write(f"worker {worker.id} is at work")
            self.stdout.flush()
            await stop.wait()
        self.stdout.write("stopped")
