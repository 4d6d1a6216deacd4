"""Which replica leads: the one that holds a Lease of coordination.k8s.io."""

import asyncio
import socket
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from healthcheck_operator.cluster import Cluster, ClusterError, MissingObjectError
from tocsin.pulse import Pulse

LEASE_NAME: Final = "tocsin-operator"
# As client-go has them: whoever does not renew in time stops before another one may start.
LEASE_SECONDS: Final = 15.0
RENEW_DEADLINE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 2.0
# A pod has half a minute to end.
RELEASE_SECONDS: Final = 5.0

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Leadership:
    """A candidate for the Lease of one namespace.

    How long a holder was silent is measured with the own clock, from when its last renewal was seen: clocks differ.
    """

    def __init__(self, cluster: Cluster, namespace: str, pulse: Pulse) -> None:
        self._cluster = cluster
        self._pulse = pulse
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self.identity: Final = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._seen: tuple[str, str] | None = None  # holder, renewal
        self._seen_at = 0.0
        self._renewed_at = float("-inf")

    async def acquire(self) -> None:
        """Wait until this replica leads, however long the API server or another holder makes it wait."""
        while not await self._try():
            if self._pulse.has_begun:
                self._pulse.beat()
            await asyncio.sleep(RETRY_SECONDS)
        _logger.info("leading", identity=self.identity)

    async def hold(self) -> None:
        """Renew, and return once the Lease is lost, or could not be renewed in time."""
        while (left := self._renewed_at + RENEW_DEADLINE_SECONDS - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await asyncio.sleep(RETRY_SECONDS)
                    if not await self._take():
                        break
            except (ClusterError, TimeoutError) as exc:
                _logger.warning("lease_not_renewed", error=type(exc).__name__)
        _logger.warning("leadership_lost", identity=self.identity)

    async def release(self) -> None:
        """Let another replica lead at once. What fails here, time does."""
        self._renewed_at = float("-inf")
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                lease = await self._cluster.get(f"{self._collection}/{LEASE_NAME}")
                if lease["spec"].get("holderIdentity") == self.identity:
                    lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._cluster.replace(f"{self._collection}/{LEASE_NAME}", lease)
        except (ClusterError, TimeoutError) as exc:
            _logger.warning("lease_not_released", error=type(exc).__name__)

    async def _try(self) -> bool:
        try:
            return await self._take()
        except ClusterError as exc:
            _logger.warning("lease_not_taken", error=type(exc).__name__)
            return False

    async def _take(self) -> bool:
        """Take or renew the Lease; False when somebody else holds it. Raises ClusterError, too when one was faster."""
        asked_at = time.monotonic()
        try:
            lease = await self._cluster.get(f"{self._collection}/{LEASE_NAME}")
            if not self._is_free(lease.get("spec") or {}):
                # Whoever stands by is ready.
                self._pulse.beat()
                return False
            await self._cluster.replace(f"{self._collection}/{LEASE_NAME}", self._held(lease))
        except MissingObjectError:
            await self._create()
        self._renewed_at = asked_at
        return True

    def _is_free(self, spec: Mapping[str, Any]) -> bool:
        holder, renewal = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
        if holder in ("", self.identity):
            return True
        if self._seen != (holder, renewal):
            self._seen, self._seen_at = (holder, renewal), time.monotonic()
        return time.monotonic() - self._seen_at > float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)

    async def _create(self) -> None:
        empty = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE_NAME},
            "spec": {},
        }
        await self._cluster.create(self._collection, self._held(empty))

    def _held(self, lease: Mapping[str, Any]) -> dict[str, Any]:
        spec, now = lease.get("spec") or {}, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        held = {**spec, "holderIdentity": self.identity, "leaseDurationSeconds": int(LEASE_SECONDS), "renewTime": now}
        if spec.get("holderIdentity") != self.identity:
            held |= {"acquireTime": now, "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
        return {**lease, "spec": held}
