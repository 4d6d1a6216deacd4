"""How a host is reached: over which addresses, and with which TLS."""

from dataclasses import dataclass, replace
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Trace
from probes.wire.connection import ByteStream
from probes.wire.dialing import dial
from probes.wire.proxying import dial_through_proxy
from probes.wire.tls import TlsConnection, start_tls
from tocsin.domain.observations import Reason
from tocsin.domain.targets.addresses import IpFamily
from tocsin.domain.targets.tls_options import TlsOptions


@dataclass(frozen=True, slots=True)
class Route:
    """What is said of the way to a host, beside its name and port. `alpn` is what is offered in the TLS handshake.

    `by_proxy` leads through the installation's proxy.
    """

    tls: TlsOptions | None = None
    family: IpFamily = IpFamily.ANY
    alpn: tuple[str, ...] = ("http/1.1",)
    by_proxy: bool = False

    def to_another_origin(self) -> "Route":
        """The same without what is meant for the target alone: who it is, and who asks."""
        if self.tls is None:
            return self
        return replace(self, tls=self.tls.model_copy(update={"server_name": None, "client_certificate": None}))


HTTP_2: Final = ("h2",)
USUAL_ROUTE: Final = Route()


async def connect(host: str, port: int, route: Route, engine: Engine, trace: Trace, *, secure: bool) -> ByteStream:
    """A connection to the host, secured if it is to be, or to the proxy that asks it. Raises ProbeFailure."""
    if route.by_proxy:
        tunnel = secure or not asks_proxy(route, engine, secure=secure)
        connection: ByteStream = await dial_through_proxy(host, port, engine, trace, route.family, tunnel=tunnel)
    else:
        connection = await dial(host, port, engine, trace, route.family)
    if not secure:
        return connection
    try:
        return await start_tls_on(connection, host, route, engine, trace)
    except BaseException:
        connection.abort()
        raise


def asks_proxy(route: Route, engine: Engine, *, secure: bool) -> bool:
    """Whether the proxy is asked for the URL itself, whose name it then resolves anew.

    Where private addresses are closed it never is: a name could lead elsewhere for the proxy than it was judged by.
    """
    return route.by_proxy and not secure and route.alpn != HTTP_2 and engine.policy.allow_private


async def start_tls_on(connection: ByteStream, host: str, route: Route, engine: Engine, trace: Trace) -> TlsConnection:
    """Shake hands with the host as the route says. Raises ProbeFailure with TLS; the caller closes the connection."""
    options = route.tls
    name = host if options is None or options.server_name is None else options.server_name
    return await start_tls(connection, name, engine.tls_contexts.of(options, route.alpn), trace)


def require_http2(connection: ByteStream) -> None:
    """Raise ProbeFailure with PROTOCOL if the handshake did not agree on HTTP/2, which clear text takes for granted."""
    if isinstance(connection, TlsConnection) and connection.alpn != "h2":
        raise ProbeFailure(Reason.PROTOCOL, "the server does not speak HTTP/2: it did not choose h2 in the handshake")
