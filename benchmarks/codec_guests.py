"""
The codecs of the guests, timed from outside: a guest's clock stands still within a turn.

A workflow encodes or decodes a payload so many times in its first turn. What is left of the turn's time when that of
the fastest turn that does it no times is taken off is what the codec took: lease, border and arguments are in both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from benchmarks.codec_payloads import payloads
from benchmarks.harness import child
from benchmarks.harness.setting import Setting
from torpor import codec
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.limits import MIB
from torpor.vm.guest import Begin, Guest, Program
from torpor.vm.limits import Limits

SAMPLE_SECONDS = 0.05

_WAYS = ("encode", "decode")
_FOLDER = Path(__file__).parent
# A hundred thousand elements, as text, flat array and value at once, and many turns in one.
_LIMITS = Limits(memory_bytes=256 * MIB, cpu_seconds=120)

Figures = dict[str, dict[str, list[float]]]
"""Payload → ``encode`` or ``decode`` → microseconds of each sample."""


def measure_quickjs(setting: Setting) -> Figures:
    """Time the codec of the JavaScript guest, whose modules are made part of a program."""
    guest = QuickJS(limits=_LIMITS)
    bootstrap = files("torpor.guests.quickjs") / "bootstrap"
    modules = {file.name: file.read_text("utf-8") for file in bootstrap.iterdir() if file.name.endswith(".js")}
    texts = {f"./codec/{name}": re.sub(r'"torpor:([\w-]+)"', r'"./\1.js"', text) for name, text in modules.items()}
    texts["./flow.js"] = (_FOLDER / "codec_flow.js").read_text("utf-8")
    program = Program("quickjs", guest.build, texts, ["./flow.js"], {"repeat": ("./flow.js", "repeat")})
    return _measure(guest, program, setting)


def measure_cpython(setting: Setting) -> Figures:
    """Time the codec of the Python guest."""
    guest = CPython(limits=_LIMITS)
    texts = {"./flow.py": (_FOLDER / "codec_flow.py").read_text("utf-8")}
    modules = {"flow": "./flow.py"}
    program = Program("cpython", guest.build, texts, ["flow"], {"repeat": ("flow", "repeat")}, modules=modules)
    return _measure(guest, program, setting)


def _measure(guest: Guest, program: Program, setting: Setting) -> Figures:
    image = guest.load(program)

    def timer(way: str, payload: object) -> Callable[[int], float]:
        """Return what tells how many seconds a turn takes that does something so many times."""

        def seconds(times: int) -> float:
            args = codec.unpack_devalue(codec.dumps([way, times, payload]))
            vm = guest.lease(image)
            begun = time.thread_time()  # a guest runs on its caller's thread, and does nothing but compute
            outbox = vm.begin(Begin("wrun_1", "repeat", args, bytes(32), 0))
            taken = time.thread_time() - begun
            vm.release()
            if outbox.status != "completed":
                raise child.BenchmarkError(
                    f"{guest.name} cannot {way}: {codec.loads(codec.pack_devalue(outbox.error or ''))}"
                )
            return taken

        return seconds

    return {
        name: {way: _time(timer(way, value), setting.samples) for way in _WAYS} for name, value in payloads().items()
    }


def _time(seconds: Callable[[int], float], samples: int) -> list[float]:
    """
    Return the microseconds of one time, *samples* times.

    What is taken off is the fastest of all turns that do nothing, so that one of them that was disturbed does not make
    the work seem free, and it is at most half of what is left.
    """
    nothing = min(seconds(0) for _ in range(3))
    times = 1
    while seconds(times) < max(SAMPLE_SECONDS, 3 * nothing):
        times *= 2
    taken = []
    for _ in range(samples):
        nothing = min(nothing, seconds(0))
        taken.append(seconds(times))
    return [(whole - nothing) / times * 1e6 for whole in taken]
