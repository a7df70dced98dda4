"""A run is one trace, whichever workers work on it, as a collector receives it over HTTP."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from tests.cli.processes import run as torpor
from tests.engine.support import TIMEOUT
from tests.integrations.traced import app as application
from torpor import Torpor, tracing
from torpor.engine.figures import KINDS
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.http.tokens import make_token

pytest.importorskip("opentelemetry.sdk", reason="needs torpor[otel] and the SDK")

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from torpor.integrations.otel import OpenTelemetry, Traces

RUN, CALLER = "journey-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "torpor.json"


class Collector:
    """Takes spans as OTLP over HTTP on loopback."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    [service] = [each.value.string_value for each in resource.resource.attributes if each.key == "who"]
                    spans.extend((service, span) for scope in resource.scope_spans for span in scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Any]:
        """Return the spans of a name."""
        return [span for _, span in self.spans if span.name == name]


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Leave no propagation behind."""
    yield
    tracing.use(None)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector."""
    made = Collector()
    yield made
    made.close()


@asynccontextmanager
async def traced(
    folder: Path, collector: Collector, who: str, traces: Traces = "run", sampler: Any = None
) -> AsyncIterator[tuple[Torpor, InMemoryMetricReader]]:
    """A worker with telemetry of its own, as another process has it."""
    reader = InMemoryMetricReader()
    provider = TracerProvider(sampler=sampler, resource=Resource({"who": who}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.url)))
    app = application.on(f"sqlite:///{folder}/torpor.db")
    app.observers = []
    meters = MeterProvider([reader], shutdown_on_exit=False)
    OpenTelemetry(app, traces=traces, tracer_provider=provider, meter_provider=meters)
    async with app, app.worker():
        yield app, reader
    provider.shutdown()
    meters.shutdown()


async def journey(folder: Path, collector: Collector, traces: Traces = "run", sampler: Any = None) -> list[str]:
    """Let a run go through two workers, and return what its steps have told."""
    async with traced(folder, collector, "one", traces, sampler) as (app, _):
        with tracing.entered(CALLER):
            run = await app.start("journey", run_id=RUN)
        while not any(each.kind == "timer" for each in (await run.info()).waits_for):
            pass
    async with traced(folder, collector, "two", traces, sampler) as (app, _):
        await app.run(RUN).wake_up()
        told: list[str] = await app.run(RUN).result(timeout=TIMEOUT)
        return told


async def test_a_run_is_one_trace_over_two_workers(tmp_path: Path, collector: Collector) -> None:
    """Its turns are parts of it, its steps of turns; what steps do is a part of them, and a child run links to it."""
    told = await journey(tmp_path, collector)
    ids = tracing.ids_of(RUN)
    [root] = collector.named("workflow.run journey")
    assert (root.trace_id.hex(), root.span_id.hex(), root.parent_span_id) == (ids.trace, ids.span, b"")
    assert [link.trace_id.hex() for link in root.links] == [CALLER.split("-")[1]]
    turns = [(who, span) for who, span in collector.spans if span.name == "workflow.execute journey"]
    assert {who for who, _ in turns} == {"one", "two"}
    assert {(span.trace_id, span.parent_span_id) for _, span in turns} == {(root.trace_id, root.span_id)}
    by_id = {span.span_id: span for _, span in collector.spans}
    [first] = [span for span in collector.named("step.execute first") if span.trace_id == root.trace_id]
    assert told[0] == f"00-{ids.trace}-{first.span_id.hex()}-01"
    assert by_id[first.parent_span_id].name == "workflow.execute journey"
    tries = sorted(collector.named("step.execute second"), key=lambda span: span.start_time_unix_nano)
    assert [attribute(span, "step.status") for span in tries] == ["retrying", "completed"]
    assert tries[0].status.code == 2
    assert "not yet" in tries[0].status.message
    assert told[1] == f"00-{ids.trace}-{tries[1].span_id.hex()}-01"
    [leaf] = collector.named("workflow.run leaf")
    assert leaf.trace_id != root.trace_id
    assert root.trace_id in [link.trace_id for link in leaf.links]


def attribute(span: Any, key: str) -> str:
    """Return a text that is said of a span."""
    return next(str(each.value.string_value) for each in span.attributes if each.key == key)


async def test_a_turn_may_be_a_trace(tmp_path: Path, collector: Collector) -> None:
    """Then each is linked to the run that it belongs to."""
    await journey(tmp_path, collector, "turn")
    root = tracing.ids_of(RUN)
    turns = collector.named("workflow.execute journey")
    assert len({span.trace_id for span in turns}) == len(turns) > 1
    assert {(link.trace_id.hex(), link.span_id.hex()) for span in turns for link in span.links} == {root}


async def test_a_run_that_is_not_sampled_makes_no_span(tmp_path: Path, collector: Collector) -> None:
    """Its root is not, so that its parts are not."""
    await journey(tmp_path, collector, sampler=ParentBased(ALWAYS_OFF))
    assert [span.name for _, span in collector.spans] == []


async def test_a_trace_goes_on_over_http(tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run links to the request that started it, and a service that carries out its step goes on with its trace."""
    monkeypatch.setenv("TORPOR_STEPS_SECRET", "between the two")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with traced(tmp_path, collector, "one") as (app, _):
        token, listening = make_token(app.clock.now(), ("operate",)), listen("127.0.0.1", 0)
        service, url = Service(app), url_of(listening)
        name, step = next((name, step) for name, step in app.names._steps.items() if name.endswith("//far"))
        assert step.remote is not None
        elsewhere = replace(step.remote, url=step.remote.url.replace("http://127.0.0.1:9", url))
        monkeypatch.setitem(app.names._steps, name, replace(step, remote=elsewhere))
        async with (
            serving(asgi(app, tokens=[token.token], service=service), service, listening),
            httpx.AsyncClient(base_url=url, trust_env=False, headers={"Authorization": f"Bearer {token.text}"}) as http,
        ):
            asked = {"workflow": "errand", "id": RUN}
            answer = await http.post("/v1/runs", json=asked, headers={tracing.HEADER: CALLER})
            assert answer.status_code < 300, answer.text
            told: str = await app.run(RUN).result(timeout=TIMEOUT)
    ids = tracing.ids_of(RUN)
    [root] = collector.named("workflow.run errand")
    assert [link.trace_id.hex() for link in root.links] == [CALLER.split("-")[1]]
    [attempt] = collector.named("step.execute far")
    assert told == f"00-{ids.trace}-{attempt.span_id.hex()}-01"


async def test_figures_are_the_same_for_both(tmp_path: Path, collector: Collector) -> None:
    """What OpenTelemetry reads is what Prometheus gets, and the dashboard asks for nothing that there is not."""
    async with traced(tmp_path, collector, "one") as (app, reader):
        token = make_token(app.clock.now(), ("read",))
        transport = httpx.ASGITransport(asgi(app, tokens=[token.token]))
        async with (
            app.worker(),  # begun after the server, which counts what it does
            httpx.AsyncClient(transport=transport, base_url="http://test") as http,
        ):
            run = await app.start("journey")
            while not any(each.kind == "timer" for each in (await run.info()).waits_for):
                pass
            await run.wake_up()
            await run.result(timeout=TIMEOUT)
            await (await app.start("napping")).result(timeout=TIMEOUT)
            text = (await http.get("/metrics", headers={"Authorization": f"Bearer {token.text}"})).text
        read: Any = reader.get_metrics_data()
        told: dict[str, float] = {
            metric.name: sum(point.value for point in metric.data.data_points)
            for resource in read.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
    assert told["torpor.runs_ended"] == 3
    assert told["torpor.step_attempts"] >= 4  # starting a run, and asking for its result, are steps too
    assert told["torpor.retries"] == 1
    assert told["torpor.snapshot_bytes"] > told["torpor.snapshot_bytes.count"] >= 1
    assert told["torpor.wake_seconds"] >= 0
    assert re.search(r"^# TYPE torpor_turn_seconds summary$", text, re.MULTILINE)
    assert {f"torpor.{kind}" for kind in KINDS} - told.keys() == {"torpor.snoozes"}
    names = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    known = names | {f"{name}{ending}" for name in names for ending in ("_sum", "_count")}
    asked = set(re.findall(r"torpor_\w+", " ".join(_queries(json.loads(DASHBOARD.read_text())))))
    assert asked <= known
    assert len(asked) > 8


def _queries(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from [data["expr"]] if "expr" in data else []
        data = [*data.values()]
    if isinstance(data, list):
        for each in data:
            yield from _queries(each)


async def test_a_run_is_printed_as_a_tree(tmp_path: Path, collector: Collector) -> None:
    """With the workers that made its steps: the world knows them, without any collector."""
    await journey(tmp_path, collector)
    told = torpor(tmp_path, "trace", RUN, "--world", f"sqlite:///{tmp_path}/torpor.db").splitlines()
    assert told[0] == f"trace {tracing.ids_of(RUN).trace}"
    assert re.match(r"run journey  completed  \+0 ", told[1]), told
    workers = re.findall(r"├─ step first .*(wrkr_\w+)|attempt 1  failed .*(wrkr_\w+)", "\n".join(told))
    assert len({one or two for one, two in workers}) == 2, told
    [sleep] = [line for line in told if "sleep" in line]
    assert sleep.startswith("├─ sleep  completed")
    data = json.loads(torpor(tmp_path, "trace", RUN, "--json", "--world", f"sqlite:///{tmp_path}/torpor.db"))
    assert [span["name"] for span in data["spans"]][:3] == ["first", "sleep", "second"]
