"""A host that must answer echo requests."""

from typing import Annotated, ClassVar

from pydantic import Field

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily
from tocsin.domain.targets.model import Target


class IcmpTarget(Target):
    """A host that must answer echo requests of ICMP, as those of ping."""

    kind: ClassVar[str] = "icmp"
    sources: ClassVar[frozenset[Source]] = frozenset({Source.LOSS, Source.ROUND_TRIP})

    host: Host = Field(description="Host name, or IP address without brackets.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    count: Annotated[int, Field(strict=True, ge=1, le=20)] = Field(default=3, description="How many packets are sent.")
    interval_ms: Annotated[int, Field(strict=True, ge=10, le=5000)] = Field(
        default=200, description="How many ms lie between two packets; fewer, if the timeout leaves no time for them."
    )
    size_bytes: Annotated[int, Field(strict=True, ge=16, le=1400)] = Field(
        default=56, description="How many bytes each packet carries, beside its header."
    )
    maximum_loss_percent: Annotated[int, Field(strict=True, ge=0, le=99)] = Field(
        default=50, description="How much of the packets may stay without an answer."
    )
