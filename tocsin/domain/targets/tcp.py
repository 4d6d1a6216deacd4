"""A TCP port that must accept connections, and say what is expected."""

from typing import Annotated, ClassVar

from pydantic import Field

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port
from tocsin.domain.targets.exchanges import TcpStep
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.security import StartTls
from tocsin.domain.targets.tls_options import TlsOptions


class TcpTarget(Target):
    """A TCP port that must accept a connection."""

    kind: ClassVar[str] = "tcp"
    sources: ClassVar[frozenset[Source]] = frozenset({Source.BODY, Source.JSON, Source.SIZE, Source.CERTIFICATE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(description="Port, from 1 to 65535.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    tls: TlsOptions | None = Field(default=None, description="How the connection is secured; without it, it is not.")
    starttls: StartTls | None = Field(
        default=None, description="The protocol in whose words TLS is asked for, when it does not begin at once."
    )
    steps: Annotated[tuple[TcpStep, ...], Field(max_length=10)] = Field(
        default=(), description="What to send and what must come, in this order. A banner is an expect without a send."
    )

    @property
    def is_secured(self) -> bool:
        """Whether TLS is spoken, from the beginning or later."""
        return self.tls is not None or self.starttls is not None
