"""What all probes of a worker share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from probes.egress import EgressPolicy
from probes.evaluation.evaluator import Evaluator
from probes.heartbeats import Heartbeats, NoHeartbeats
from probes.kinds.kubernetes.api_server import ApiServer
from probes.proxy import Proxy
from probes.wire.resolver import Resolver
from probes.wire.tls_contexts import TlsContexts


class NameResolver(Protocol):
    """Finds the addresses of a host name."""

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses in the order to try them. Raises ProbeFailure with reason DNS."""

    def nameservers(self) -> Sequence[tuple[str, int]]:
        """Whom it asks: IP addresses and ports."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Made once per worker, inside its event loop, and handed to every probe.

    `now` is the database's clock. `proxy` is the installation's, for targets that ask for it. `api_server` is the
    cluster's, if there is one; `heartbeats` knows what has reported in.
    """

    policy: EgressPolicy
    now: Callable[[], datetime]
    resolver: NameResolver = field(default_factory=Resolver)
    tls_contexts: TlsContexts = field(default_factory=TlsContexts)
    api_server: ApiServer = field(default_factory=ApiServer)
    heartbeats: Heartbeats = field(default_factory=NoHeartbeats)
    evaluator: Evaluator = field(default_factory=Evaluator)
    proxy: Proxy | None = None
