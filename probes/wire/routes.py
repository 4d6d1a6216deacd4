"""How a host is reached: over which addresses, and with which TLS."""

from dataclasses import dataclass, replace
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Trace
from probes.wire.connection import ByteStream
from probes.wire.dialing import dial
from probes.wire.tls import TlsConnection, start_tls
from tocsin.domain.observations import Reason
from tocsin.domain.targets.addresses import IpFamily
from tocsin.domain.targets.tls_options import TlsOptions


@dataclass(frozen=True, slots=True)
class Route:
    """What is said of the way to a host, beside its name and port. `alpn` is what is offered in the TLS handshake."""

    tls: TlsOptions | None = None
    family: IpFamily = IpFamily.ANY
    alpn: tuple[str, ...] = ("http/1.1",)

    def to_another_origin(self) -> "Route":
        """The same without what is meant for the target alone: who it is, and who asks."""
        if self.tls is None:
            return self
        return replace(self, tls=self.tls.model_copy(update={"server_name": None, "client_certificate": None}))


USUAL_ROUTE: Final = Route()


async def connect(host: str, port: int, route: Route, engine: Engine, trace: Trace, *, secure: bool) -> ByteStream:
    """A connection to the host, secured if it is to be. Raises ProbeFailure."""
    connection = await dial(host, port, engine, trace, route.family)
    if not secure:
        return connection
    try:
        return await _secured(connection, host, route, engine, trace)
    except BaseException:
        connection.abort()
        raise


async def _secured(connection: ByteStream, host: str, route: Route, engine: Engine, trace: Trace) -> TlsConnection:
    options = route.tls
    name = host if options is None or options.server_name is None else options.server_name
    return await start_tls(connection, name, engine.tls_contexts.of(options, route.alpn), trace)


def require_http2(connection: ByteStream) -> None:
    """Raise ProbeFailure with PROTOCOL if the handshake did not agree on HTTP/2, which clear text takes for granted."""
    if isinstance(connection, TlsConnection) and connection.alpn != "h2":
        raise ProbeFailure(Reason.PROTOCOL, "the server does not speak HTTP/2: it did not choose h2 in the handshake")
