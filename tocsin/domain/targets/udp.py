"""A UDP port that must answer what is sent to it."""

from typing import Annotated, ClassVar

from pydantic import Field

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port
from tocsin.domain.targets.exchanges import Expected, SendAndExpect, Sent
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Requirement


class UdpTarget(Target, SendAndExpect):
    """A UDP port that must answer what is sent to it: its silence says nothing, so that an answer is expected."""

    kind: ClassVar[str] = "udp"
    requirements: ClassVar[tuple[Requirement, ...]] = SendAndExpect.requirements
    sources: ClassVar[frozenset[Source]] = frozenset({Source.BODY, Source.JSON, Source.SIZE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(description="Port, from 1 to 65535.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    send: Annotated[Sent, MayBeSecret()] = Field(
        description=r"Datagram to send; in text, \r, \n, \t, \0, \xHH and \\ stand for bytes."
    )
    expect: Expected = Field(
        description="What a datagram that comes back must hold: a text or bytes, or what fits a pattern of RE2."
    )
