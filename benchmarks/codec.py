"""
Encoding and decoding of payloads, beside ``json``, ``pickle`` and the npm package ``devalue``.

``torpor`` is what is stored: devalue text in its envelope, compressed where that pays. ``torpor-text`` is the text
alone, which is what ``devalue`` makes too. A sample is as many calls as fill some milliseconds.
"""

from __future__ import annotations

import base64
import json
import pickle
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.harness import child
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from torpor import codec
from torpor.clock import SystemClock
from torpor.codec import devalue
from torpor.codec.table import standard_table

SAMPLE_SECONDS = 0.02

_TABLE = standard_table(SystemClock())
_NODE_SECONDS_MAX = 120

Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
Figures = dict[str, dict[str, dict[str, list[float]]]]
"""Codec → payload → ``encode`` or ``decode`` → microseconds of each sample."""

CODECS: dict[str, Codec] = {
    "torpor": (codec.dumps, codec.loads),
    "torpor-text": (lambda value: devalue.encode(value, _TABLE), lambda text: devalue.decode(text, _TABLE)),
    "json": (json.dumps, json.loads),
    "pickle": (pickle.dumps, pickle.loads),
}


def payloads() -> dict[str, Any]:
    """Return what is encoded: values that all of the codecs know."""
    dice = random.Random(1)  # noqa: S311  # a benchmark's data, no secret
    return {
        "arguments": ["order-1", 4200, {"express": True}],
        "records": [_record(number, dice.random()) for number in range(100)],
        "text": base64.b64encode(dice.randbytes(7_680)).decode(),
    }


def _record(number: int, price: float) -> dict[str, Any]:
    return {"id": number, "name": f"Ada {number}", "price": price, "tags": ["new", "paid"], "note": None, "open": True}


def run(setting: Setting) -> list[Row]:
    """Return ``encode`` and ``decode`` of each payload and codec, and how often longer Torpor takes than the others."""
    rows = Rows("codec", msgspec.structs.replace(setting, world="none://"))
    figures = child.call(measure, setting) | _npm_devalue(setting)
    for name, found in figures.items():
        for payload, both in found.items():
            for way, samples in both.items():
                rows.add(way, "µs", samples, {"codec": name, "payload": payload})
    for other in (name for name in figures if not name.startswith("torpor")):
        for payload, both in figures[other].items():
            for way, samples in both.items():
                ratio = statistics.median(figures["torpor"][payload][way]) / statistics.median(samples)
                rows.add(f"{way}_ratio", "ratio", [ratio], {"codec": "torpor", "to": other, "payload": payload})
    return rows.all


def measure(setting: Setting) -> Figures:
    """Time the codecs that run in Python."""
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


def _npm_devalue(setting: Setting) -> Figures:
    """Time the npm package in Node; nothing when either is missing."""
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
    return {"devalue": json.loads(node.stdout)}
