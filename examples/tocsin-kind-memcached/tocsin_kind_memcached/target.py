"""What a check of memcached is about."""

from typing import Annotated, ClassVar

from pydantic import Field

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, Port
from tocsin.domain.targets.model import Target


class MemcachedTarget(Target):
    """A memcached server that must tell its version, and may not be too full."""

    kind: ClassVar[str] = "memcached"
    sources: ClassVar[frozenset[Source]] = frozenset({Source.BODY})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(default=11211, description="Port, from 1 to 65535.")
    maximum_connections: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = Field(
        default=None, description="How many connections the server may have open."
    )
