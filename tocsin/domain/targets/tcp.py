"""A TCP port that must accept connections."""

from typing import ClassVar

from pydantic import Field

from tocsin.domain.targets.addresses import Host, Port
from tocsin.domain.targets.model import Target


class TcpTarget(Target):
    """A TCP port that must accept a connection."""

    kind: ClassVar[str] = "tcp"

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(description="Port, from 1 to 65535.")
