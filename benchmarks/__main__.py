"""The command: ``python -m benchmarks NAME…``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, cast

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console

from benchmarks.catalogue import BENCHMARKS
from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.floor import measured
from benchmarks.harness.machine import machine, versions
from benchmarks.harness.rows import Report, reported
from benchmarks.harness.setting import BACKENDS, GUEST_DEFAULT, RUNTIMES, WORLD_DEFAULT, Backend, Setting
from torpor.errors import TorporError
from torpor.model import Runtime
from torpor.programs.languages import LANGUAGES

ALL = "all"
_TABLE_COLUMNS_LEAST = 150


def main(
    name: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Benchmarks, or all of them: all.")
    ] = None,
    world: Annotated[
        str, typer.Option(help="URL; sqlite:// without a path is a fresh file for every set of samples.")
    ] = WORLD_DEFAULT,
    guest: Annotated[
        str | None, typer.Option(help=f"Language: {', '.join(LANGUAGES)}; vm and resume have all by default.")
    ] = None,
    runtime: Annotated[str | None, typer.Option(help="snapshot or replay; resume has both by default.")] = None,
    backend: Annotated[str | None, typer.Option(help="VM memory, for vm: cow or portable; both by default.")] = None,
    processes: Annotated[
        int,
        typer.Option(min=1, help="Worker processes; 1 for client and worker in one. Other benchmarks have their own."),
    ] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples, smaller numbers.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each benchmark, a line each.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="For sdk: a peer, a world, or a part of a benchmark's name; repeat it.")
    ] = None,
    names: Annotated[bool, typer.Option("--list", help="Tell the benchmarks' names and end.")] = False,
) -> None:
    """Measure, and print the figures on standard output."""
    if names:
        for known, benchmark in BENCHMARKS.items():
            print(f"{known:<12}{benchmark.work}")
        return
    setting = Setting(
        world=world,
        guest=_one_of("--guest", guest or GUEST_DEFAULT, tuple(LANGUAGES)),
        runtime=cast("Runtime | None", runtime and _one_of("--runtime", runtime, RUNTIMES)),
        backend=cast("Backend | None", backend and _one_of("--backend", backend, BACKENDS)),
        processes=processes,
        quick=quick,
        only=tuple(only or ()),
    )
    wanted = [_one_of("NAME", each, (*BENCHMARKS, ALL)) for each in name or [""]]
    chosen = list(BENCHMARKS) if ALL in wanted else wanted
    try:
        for each in chosen:
            benchmark = BENCHMARKS[each]
            if processes > 1 and not benchmark.spreads:
                if ALL not in wanted:
                    raise typer.BadParameter(f"{each} is not for several processes", param_hint="--processes")
                continue
            if only and not benchmark.parts:
                raise typer.BadParameter(f"{each} has no parts to choose from", param_hint="--only")
            guests = LANGUAGES if benchmark.compares and guest is None else [setting.guest]
            rows = [row for name in guests for row in benchmark.run(replace(setting, guest=name))]
            report = reported(each, machine(), versions(), measured(), rows)
            _print(report, benchmark.show, as_json=json)
    except (BenchmarkError, TorporError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _print(report: Report, show: Callable[[Report, Console], None], *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(report).decode(), flush=True)
        return
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _TABLE_COLUMNS_LEAST)
    show(report, console)


def _one_of(option: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise typer.BadParameter(f"{given!r} is not one of {', '.join(known)}", param_hint=option)
    return given


if __name__ == "__main__":
    typer.run(main)
