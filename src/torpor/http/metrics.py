"""What the world can count at once, as text for Prometheus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from starlette.responses import Response

from torpor.engine.figures import KINDS, Figures, Kind
from torpor.http.routing import Call, Router
from torpor.model.flow import QueueInfo

router = Router("metrics")

_MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]


class Family(NamedTuple):
    """Figures of one name; those whose labels are equal are added up."""

    name: str
    text: str
    samples: Iterable[tuple[Labels, float]]
    type: str = "gauge"
    ending: str = ""


@router.get("/metrics", "read", media=("text/plain",))
async def metrics(call: Call) -> Response:
    """Tell figures of the world for Prometheus."""
    call.grant.require_whole()
    now = call.service.client.world.clock.now()
    world, reader = call.service.client.world, call.service.reader(decrypt=False)
    alive, silent = await reader.workers()
    queues = await world.queues()
    uses, steps = await world.programs_in_use(), await world.waiting_steps()
    families = (
        Family("torpor_workers", "Workers.", [({"state": "alive"}, len(alive)), ({"state": "silent"}, silent)]),
        Family("torpor_unfinished_runs", "Runs that have not ended.", [({"app": use.app}, use.count) for use in uses]),
        Family(
            "torpor_waiting_steps",
            "Steps that wait for a worker.",
            [({"app": each.app, "step": each.name}, each.count) for each in steps],
        ),
        Family(
            "torpor_waiting_steps_seconds",
            "How long the step has waited for a worker that waits longest.",
            [({"app": each.app, "step": each.name}, max(0, now - each.since) / 1000) for each in steps],
        ),
        Family("torpor_queue_waiting", "What waits for a slot.", [(_labels(each), each.waiting) for each in queues]),
        Family("torpor_queue_held", "What has a slot.", [(_labels(each), each.held) for each in queues]),
    )
    figures = call.service.figures
    done = [] if figures is None else [family for kind in KINDS.values() for family in _families(figures, kind)]
    return Response("".join(map(family_text, (*families, *done))), media_type=_MEDIA)


def _families(figures: Figures, kind: Kind) -> list[Family]:
    """Return what the workers of this process have done, of one kind."""
    found = [sample for sample in figures.samples() if sample.kind is kind]
    totals = [(dict(zip(kind.labels, sample.labels, strict=True)), sample.total) for sample in found]
    if kind.type == "counter":
        return [Family(f"torpor_{kind.name}_total", kind.text, totals, "counter")]
    counts = [(labels, sample.times) for (labels, _), sample in zip(totals, found, strict=True)]
    name = f"torpor_{kind.name}"
    return [Family(name, kind.text, totals, "summary", "_sum"), Family(name, "", counts, "", "_count")]


def family_text(family: Family) -> str:
    """Return figures as lines of the text format; a family without a type goes on with the one before."""
    counts: defaultdict[str, float] = defaultdict(float)
    for labels, count in family.samples:
        counts[",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())] += count
    lines = [f"# HELP {family.name} {family.text}", f"# TYPE {family.name} {family.type}"] if family.type else []
    lines += [f"{family.name}{family.ending}{{{labels}}} {count:.12g}" for labels, count in counts.items()]
    return "\n".join(lines) + "\n"


def _labels(info: QueueInfo) -> Labels:
    return {"app": info.app, "queue": info.name}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
