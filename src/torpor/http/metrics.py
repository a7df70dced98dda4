"""What the world can count at once, as text for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from starlette.responses import Response

from torpor.http.routing import Call, Router
from torpor.model.flow import QueueInfo

router = Router("metrics")

_MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]


class Family(NamedTuple):
    """Figures of one name; those whose labels are equal are added up."""

    name: str
    text: str
    samples: Iterable[tuple[Labels, int]]


@router.get("/metrics", "read", media=("text/plain",))
async def metrics(call: Call) -> Response:
    """Tell figures of the world for Prometheus."""
    call.grant.require_whole()
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
        Family("torpor_queue_waiting", "What waits for a slot.", [(_labels(each), each.waiting) for each in queues]),
        Family("torpor_queue_held", "What has a slot.", [(_labels(each), each.held) for each in queues]),
    )
    return Response("".join(map(family_text, families)), media_type=_MEDIA)


def family_text(family: Family) -> str:
    """Return figures as lines of the text format."""
    counts: Counter[str] = Counter()
    for labels, count in family.samples:
        counts[",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())] += count
    lines = [f"# HELP {family.name} {family.text}", f"# TYPE {family.name} gauge"]
    lines += [f"{family.name}{{{labels}}} {count}" for labels, count in counts.items()]
    return "\n".join(lines) + "\n"


def _labels(info: QueueInfo) -> Labels:
    return {"app": info.app, "queue": info.name}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
