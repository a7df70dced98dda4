"""
Encoding and decoding of payloads: on the host, in the guests and in Node, beside json, pickle and npm devalue.

``torpor`` is what is stored: devalue text in its envelope, compressed where that pays. ``torpor-text`` is the text
alone, which is what ``devalue`` makes too, and what guests make. A sample is as many calls as fill some milliseconds.
"""

from __future__ import annotations

import json
import pickle
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.codec_guests import measure_cpython, measure_quickjs
from benchmarks.codec_payloads import payloads
from benchmarks.harness import child
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from torpor import codec
from torpor.clock import SystemClock
from torpor.codec.types.table import standard_table
from torpor.codec.wire import devalue

SAMPLE_SECONDS = 0.02

_TABLE = standard_table(SystemClock())
_NODE_SECONDS_MAX = 300

Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
Figures = dict[str, dict[str, dict[str, list[float]]]]
"""Codec → payload → ``encode`` or ``decode`` → microseconds of each sample."""

CODECS: dict[str, Codec] = {
    "torpor": (codec.dumps, codec.loads),
    "torpor-text": (lambda value: devalue.encode(value, _TABLE), lambda text: devalue.decode(text, _TABLE)),
    "json": (json.dumps, json.loads),
    "pickle": (pickle.dumps, pickle.loads),
}

RIVALS = {"host": ("json", "pickle"), "node": ("devalue", "json")}
"""Place → the codecs there that are not ours."""


def run(setting: Setting) -> list[Row]:
    """
    Return ``encode`` and ``decode`` of each place, payload and codec, and how often as long ``torpor`` takes.

    What is stored is compared with what else Python has, the text alone with what else there is in Node too.
    """
    places = {
        "host": child.call(measure, setting),
        "quickjs": {"torpor-text": child.call(measure_quickjs, setting)},
        "cpython": {"torpor-text": child.call(measure_cpython, setting)},
        "node": _node(setting),
    }
    found: list[Row] = []
    for place, figures in places.items():
        rows = Rows("codec", msgspec.structs.replace(setting, world="none://", guest=place))
        for name, by_payload in figures.items():
            for payload, both in by_payload.items():
                for way, samples in both.items():
                    rows.add(way, "µs", samples, {"codec": name, "payload": payload})
        found += rows.all
    return found + _ratios(setting, places)


def _ratios(setting: Setting, places: dict[str, Figures]) -> list[Row]:
    rows = Rows("codec", msgspec.structs.replace(setting, world="none://", guest="host"))
    host = places["host"]
    for ours, against in {"torpor": ("host",), "torpor-text": ("host", "node")}.items():
        for place, figures in [(place, places[place]) for place in against]:
            for other in (name for name in RIVALS[place] if name in figures):
                for payload, both in figures[other].items():
                    for way, samples in both.items():
                        ratio = statistics.median(host[ours][payload][way]) / statistics.median(samples)
                        to = other if place == "host" else f"{place} {other}"
                        rows.add(f"{way}_ratio", "ratio", [ratio], {"codec": ours, "to": to, "payload": payload})
    return rows.all


def measure(setting: Setting) -> Figures:
    """Time the codecs that run in the host's Python."""
    return {
        name: {payload: _both(encode, decode, value, setting.samples) for payload, value in payloads().items()}
        for name, (encode, decode) in CODECS.items()
    }


def _both(
    encode: Callable[[Any], Any], decode: Callable[[Any], Any], value: Any, samples: int
) -> dict[str, list[float]]:
    encoded = encode(value)
    assert decode(encoded) == value
    return {"encode": _time(encode, value, samples), "decode": _time(decode, encoded, samples)}


def _time(work: Callable[[Any], Any], argument: Any, samples: int) -> list[float]:
    """Return the microseconds of a call, *samples* times, after as many calls to warm up as a sample has."""
    calls = 1
    while _seconds(work, argument, calls) < SAMPLE_SECONDS:
        calls *= 2
    return [_seconds(work, argument, calls) / calls * 1e6 for _ in range(samples)]


def _seconds(work: Callable[[Any], Any], argument: Any, calls: int) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        work(argument)
    return time.perf_counter() - begun


def _node(setting: Setting) -> Figures:
    """Time the npm package and JSON in Node; nothing when Node or the package is missing."""
    if shutil.which("node") is None:
        say("codec: no node here, so nothing is compared with npm devalue")
        return {}
    question = {"payloads": payloads(), "samples": setting.samples, "seconds": SAMPLE_SECONDS}
    node = subprocess.run(
        ["node", str(Path(__file__).with_suffix(".mjs"))],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=_NODE_SECONDS_MAX,
        check=False,
    )
    if node.returncode != 0 and "ERR_MODULE_NOT_FOUND" in node.stderr:
        say("codec: node finds no devalue (`npm install --no-save devalue` brings it), so nothing is compared with it")
        return {}
    if node.returncode != 0:
        raise child.BenchmarkError(f"node ended with {node.returncode}: {node.stderr.strip()[-500:]}")
    figures: Figures = json.loads(node.stdout)
    return figures
