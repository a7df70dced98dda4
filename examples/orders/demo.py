"""
Forty orders, an unreliable payment service, and a worker that is killed twice on the way.

    make demo

This process only starts one run per order, every other one in Python and the rest in JavaScript, and looks at what is
stored. The work is done by a worker process, which gets SIGKILL once while steps run and once while most runs sleep. In
the end the payment service's own ledger must show every order charged exactly once; otherwise the demo says which was
not, and exits with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from rich.console import Console

from examples.orders.audit import complaints, stock_complaints
from examples.orders.books import read_first_stock, read_orders, read_statement, read_stock
from examples.orders.moments import MOMENTS, Moment
from examples.orders.processes import Process, ProcessDiedError
from examples.orders.report import Findings, Restart, tables
from examples.orders.screen import Screen
from examples.orders.watch import ASLEEP, Watch

if TYPE_CHECKING:
    from examples.orders.app import Order

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORLD = "torpor.db"
MARK = ".torpor-demo"  # says that everything in the folder may be deleted
LOOK_SECONDS = 0.05
DEMO_SECONDS_MAX = 170.0

CHECKOUTS: Final = ("workflow//./app.py//checkout", "workflow//./flows/checkout.js//checkout")
"""The same workflow in Python and in JavaScript; orders take turns."""


class Demo:
    """
    One performance.

    Args:
        folder: for everything that it stores; empty.
        orders: what is to be sold.
        seed: of the payment service's troubles.
        moments: when to kill the worker, in order.
        screen: where it is shown.
    """

    def __init__(
        self, folder: Path, orders: list[Order], seed: int, moments: tuple[Moment, ...], screen: Screen
    ) -> None:
        self._folder = folder
        self._orders = orders
        self._seed = seed
        self._moments = moments
        self._screen = screen
        self._environment = dict(os.environ)
        self._restarts: list[Restart] = []

    async def play(self) -> Findings:
        """Perform, and return what was found out."""
        with ExitStack() as processes:
            self._payments = processes.enter_context(self._payment_service())
            url = await self._payments_url()
            async with self._open_shop(url).app as app:
                await app.store_programs()  # the first time on a machine, CPython is compiled here
                began = time.monotonic()
                worker = processes.enter_context(self._worker())
                self._screen.say(f"worker {worker.pid} and the payment service at {url} were started")
                checkouts = zip(self._orders, cycle(CHECKOUTS), strict=False)
                runs = {order["number"]: await app.start(checkout, order) for order, checkout in checkouts}
                self._screen.say(f"{len(runs)} runs were started, in Python and in JavaScript by turns")
                self._watch = Watch(app, runs)
                for moment in self._moments:
                    worker = await self._kill(worker, moment, processes, app.clock.now)
                await self._until(lambda: self._watch.all_ended, worker)
            return self._findings(url, time.monotonic() - began)

    async def _kill(self, worker: Process, moment: Moment, processes: ExitStack, now: Callable[[], int]) -> Process:
        """Wait for the moment, kill the worker, and return the next one."""
        watch = self._watch
        await self._until(lambda: watch.all_ended or moment.strike(watch), worker)
        if watch.all_ended:
            return worker  # too late; the findings complain of a missing kill
        worker.kill()
        killed_at = now()
        running, sleeping = watch.steps_running, watch.places()[ASLEEP]
        self._screen.say(
            f"worker {worker.pid} killed (SIGKILL): {running} steps ran, {sleeping} runs slept", alarm=True
        )
        await self._until(lambda: moment.relent(watch, now()))
        self._restarts.append(Restart(moment.name, killed_at, started_at=now()))
        successor = processes.enter_context(self._worker())
        self._screen.say(f"worker {successor.pid} was started")
        return successor

    async def _until(self, condition: Callable[[], bool], worker: Process | None = None) -> None:
        """Look at the runs again and again, and return once the condition holds."""
        while True:
            await self._watch.look()
            self._screen.show(self._watch.places())
            if condition():
                return
            self._payments.check()
            if worker is not None:
                worker.check()
            await asyncio.sleep(LOOK_SECONDS)

    def _findings(self, payments_url: str, seconds: float) -> Findings:
        watch = self._watch
        statement, stock = read_statement(payments_url), read_stock(self._folder / "shop.db")
        wrong = [f"{order}: {error}" for order, error in watch.errors.items()]
        wrong += complaints(statement, watch.outcomes, {order["number"]: order["cents"] for order in self._orders})
        wrong += stock_complaints(read_first_stock(), stock.left, stock.reserved, watch.outcomes)
        survived = {restart.moment for restart in self._restarts}
        wrong += [
            f"the worker was not killed while {moment.name}: all runs had ended before"
            for moment in self._moments
            if moment.name not in survived
        ]
        return Findings(
            outcomes=watch.outcomes,
            logs=list(watch.logs.values()),
            guests=watch.guests,
            weights=list(watch.weights.values()),
            statement=statement,
            restarts=self._restarts,
            seconds=seconds,
            complaints=wrong,
        )

    # Who takes part

    def _open_shop(self, payments_url: str) -> ModuleType:
        """Open the shop in our folder and return its module; workers that are started from now on use it too."""
        self._environment |= {
            "TORPOR_WORLD": f"sqlite:///{self._folder / WORLD}",
            "PAYMENTS_URL": payments_url,
            "SHOP_DB": str(self._folder / "shop.db"),
        }
        os.environ.update(self._environment)
        shop = importlib.import_module("examples.orders.app")  # not before: it reads its settings as it is imported
        shop.open_shop(read_first_stock().items())
        return shop

    def _worker(self) -> Process:
        return self._process("worker", "-m", "torpor.cli", "worker", str(HERE / "app.py"), "-p", "1")

    def _payment_service(self) -> Process:
        books = str(self._folder / "payments.db")
        return self._process("payments", "-m", "examples.orders.payments", "--ledger", books, "--seed", str(self._seed))

    async def _payments_url(self) -> str:
        """Return the address that the payment service prints once it listens."""
        while "\n" not in (printed := self._payments.output):
            self._payments.check()
            await asyncio.sleep(LOOK_SECONDS)
        return printed.splitlines()[0]

    def _process(self, name: str, *arguments: str) -> Process:
        return Process(name, arguments, folder=self._folder, cwd=ROOT, environment=self._environment)


async def play(arguments: argparse.Namespace, console: Console) -> bool:
    """Play the demo, print what was found out, and return whether all is well."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    folder = clear_folder(arguments.folder)
    with Screen(console) as screen:
        demo = Demo(folder, read_orders(arguments.orders), arguments.seed, MOMENTS[: arguments.kills], screen)
        async with asyncio.timeout(DEMO_SECONDS_MAX):
            findings = await demo.play()
    console.print()
    console.print(tables(findings))
    console.print()
    console.print(f"See for yourself: {' '.join(web(folder))}", markup=False, soft_wrap=True)
    return not findings.complaints


def web(folder: Path) -> list[str]:
    """Return the command that shows the runs of a performance in a browser."""
    torpor = Path(sys.executable).with_name("torpor")
    program = str(torpor.relative_to(Path.cwd())) if torpor.is_relative_to(Path.cwd()) else str(torpor)
    return [program, "web", "--world", f"sqlite:///{folder / WORLD}"]


def clear_folder(folder: Path) -> Path:
    """
    Return the folder, made anew, as an absolute path.

    Raises:
        FileExistsError: it holds something else than a demo.
    """
    folder = folder.resolve()
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise FileExistsError(f"{folder} holds something else than a demo; name another --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    return folder


def main() -> int:
    """Play the demo and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.orders.demo", description="Orders, and a worker that dies."
    )
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="for all files; made anew (.demo)")
    parser.add_argument("--orders", type=int, choices=range(1, 41), metavar="1-40", default=40, help="how many (40)")
    parser.add_argument("--kills", type=int, choices=range(len(MOMENTS) + 1), default=len(MOMENTS), help="how many (2)")
    parser.add_argument("--seed", type=int, default=1, help="of the payment service's troubles (1)")
    parser.add_argument("--open", action="store_true", help="show the runs in a browser afterwards, until Ctrl-C")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    try:
        is_well = asyncio.run(play(arguments, console))
        if arguments.open:
            subprocess.run([*web(arguments.folder.resolve()), "--open"], check=False)
        return 0 if is_well else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; all processes have ended")
        return 130
    except TimeoutError:
        console.print(f"not finished after {DEMO_SECONDS_MAX:.0f} s; {arguments.folder}/worker.log may tell why")
    except (ProcessDiedError, FileExistsError) as error:
        console.print(str(error), markup=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
