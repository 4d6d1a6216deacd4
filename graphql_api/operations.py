"""What orchestrators and Prometheus ask: whether the API lives, whether the platform is ready, what it counts."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from graphql_api.errors import AWAY
from graphql_api.probe_metrics import ProbeMetrics, decompressed
from graphql_api.view import RefusedRequestError
from tocsin.ledger_health import Ledger, State
from tocsin.readiness import Readiness, Report
from tocsin.settings import Settings
from tocsin.telemetry import all_metrics

OPERATION_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})


def operation_routes(settings: Settings, probe_metrics: ProbeMetrics | None = None) -> list[Route]:
    """`/healthz`, `/readyz` and `/metrics`: open to everybody, and bounded in time and in what they cost.

    Who shows a token is told of the checks that it opens, where that is wanted.
    """
    readiness = Readiness(settings.servers)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        report = await readiness.report()
        return Response(_body(report), 503 if report.state is State.NOT_READY else 200, media_type="application/json")

    async def metrics(request: Request) -> Response:
        if probe_metrics is not None and "authorization" in request.headers:
            return await _probe_metrics(probe_metrics, request)
        report = await readiness.report()
        return Response(all_metrics() + _platform_metrics(report), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _probe_metrics(probe_metrics: ProbeMetrics, request: Request) -> Response:
    try:
        body = await probe_metrics.compressed(request.headers["authorization"])
    except RefusedRequestError as refusal:
        return PlainTextResponse(f"{refusal}\n", refusal.status, headers=refusal.headers)
    except AWAY:
        return PlainTextResponse("the database does not answer; check that it runs\n", 503)
    headers = {"Content-Type": CONTENT_TYPE_LATEST, "Vary": "Authorization, Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(body, headers={**headers, "Content-Encoding": "gzip"})
    return Response(await asyncio.to_thread(decompressed, body), headers=headers)


def _body(report: Report) -> bytes:
    """What is not ready comes first, by name."""
    parts = {
        name: {"state": finding.state} | ({"message": finding.message} if finding.message else {})
        for name, finding in report.parts.items()
    }
    not_ready = [name for name, finding in report.parts.items() if finding.state is State.NOT_READY]
    return orjson.dumps(
        {"state": report.state, "notReady": not_ready, "parts": parts}, option=orjson.OPT_APPEND_NEWLINE
    )


class _Fixed:
    """Metrics that were read already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _platform_metrics(report: Report) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Fixed([_ready_metric(report), *(_ledger_metrics(report.ledger) if report.ledger else ())]))
    return generate_latest(registry)


def _ready_metric(report: Report) -> Metric:
    metric = GaugeMetricFamily("tocsin_ready", "1 for each part of the platform that is ready.", labels=["part"])
    for name, finding in report.parts.items():
        metric.add_metric([name], float(finding.state is State.READY))
    return metric


def _ledger_metrics(ledger: Ledger) -> Iterable[Metric]:
    if ledger.newest_tick_at is not None:
        yield _seconds(
            "tocsin_newest_tick_age_seconds", "Age of the newest planned tick.", ledger, ledger.newest_tick_at
        )
    oldest = ledger.oldest_undone_tick_at or ledger.database_at
    yield _seconds(
        "tocsin_oldest_undone_batch_age_seconds", "Age of the oldest batch that is not done.", ledger, oldest
    )
    yield GaugeMetricFamily("tocsin_undone_batches", "Batches that are not done.", value=float(ledger.undone_batches))


def _seconds(name: str, description: str, ledger: Ledger, since: datetime) -> Metric:
    return GaugeMetricFamily(name, description, value=(ledger.database_at - since).total_seconds())
