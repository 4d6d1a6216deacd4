"""The kinds of targets: one model each, listed here once."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from tocsin.domain.errors import FieldProblem
from tocsin.domain.targets.dns import DnsTarget
from tocsin.domain.targets.graphql import GraphqlTarget
from tocsin.domain.targets.grpc import GrpcTarget
from tocsin.domain.targets.heartbeat import HeartbeatTarget
from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.icmp import IcmpTarget
from tocsin.domain.targets.imap import ImapTarget
from tocsin.domain.targets.installed import installed_targets
from tocsin.domain.targets.kubernetes import KubernetesTarget
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.mqtt import MqttTarget
from tocsin.domain.targets.redis import RedisTarget
from tocsin.domain.targets.refusals import refusal
from tocsin.domain.targets.smtp import SmtpTarget
from tocsin.domain.targets.sql import SqlTarget
from tocsin.domain.targets.tcp import TcpTarget
from tocsin.domain.targets.tls import TlsTarget
from tocsin.domain.targets.udp import UdpTarget
from tocsin.domain.targets.websocket import WebSocketTarget

OWN_KINDS: Final[Mapping[str, type[Target]]] = {
    model.kind: model
    for model in (
        HttpTarget,
        TcpTarget,
        ImapTarget,
        SmtpTarget,
        UdpTarget,
        IcmpTarget,
        DnsTarget,
        TlsTarget,
        KubernetesTarget,
        HeartbeatTarget,
        MqttTarget,
        SqlTarget,
        RedisTarget,
        GrpcTarget,
        WebSocketTarget,
        GraphqlTarget,
    )
}
KINDS: Final[Mapping[str, type[Target]]] = {**OWN_KINDS, **installed_targets(OWN_KINDS)}


def parse_target(kind: str, fields: Mapping[str, Any]) -> Target:
    """Validate the fields of a target. Raises pydantic's ValidationError, and KeyError for an unknown kind."""
    return KINDS[kind].model_validate(fields)


def target_problems(kind: str, error: ValidationError) -> list[FieldProblem]:
    """What a model refused, by paths that begin with `target` and the kind; no message repeats a value."""
    errors = error.errors(include_url=False, include_input=False)
    return [FieldProblem(("target", kind, *each["loc"]), refusal(KINDS[kind], each)) for each in errors]
