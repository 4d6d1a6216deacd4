"""The kinds of targets that can be probed: a new one is a file and a line here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from probes.engine import Engine
from probes.kinds.dns.prober import probe_dns
from probes.kinds.graphql.prober import probe_graphql
from probes.kinds.grpc.prober import probe_grpc
from probes.kinds.heartbeat import probe_heartbeat
from probes.kinds.http.prober import probe_http
from probes.kinds.icmp import probe_icmp
from probes.kinds.imap import probe_imap
from probes.kinds.kubernetes.prober import probe_kubernetes
from probes.kinds.mqtt import probe_mqtt
from probes.kinds.redis import probe_redis
from probes.kinds.smtp import probe_smtp
from probes.kinds.sql.prober import probe_sql
from probes.kinds.tcp import probe_tcp
from probes.kinds.tls import probe_tls
from probes.kinds.udp import probe_udp
from probes.kinds.websocket import probe_websocket
from probes.trace import Trace
from tocsin.domain.targets.dns import DnsTarget
from tocsin.domain.targets.graphql import GraphqlTarget
from tocsin.domain.targets.grpc import GrpcTarget
from tocsin.domain.targets.heartbeat import HeartbeatTarget
from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.icmp import IcmpTarget
from tocsin.domain.targets.imap import ImapTarget
from tocsin.domain.targets.installed import installed_probers
from tocsin.domain.targets.kubernetes import KubernetesTarget
from tocsin.domain.targets.mqtt import MqttTarget
from tocsin.domain.targets.redis import RedisTarget
from tocsin.domain.targets.smtp import SmtpTarget
from tocsin.domain.targets.sql import SqlTarget
from tocsin.domain.targets.tcp import TcpTarget
from tocsin.domain.targets.tls import TlsTarget
from tocsin.domain.targets.udp import UdpTarget
from tocsin.domain.targets.websocket import WebSocketTarget

Prober = Callable[[Any, Engine, Trace], Awaitable[None]]
"""Takes a target of its kind, returns if it is as expected, raises ProbeFailure if not.

On its way it notes in the trace what it sees, so that a probe that fails or runs out of time can tell it too.
Deadline, clock and unexpected errors are the runner's.
"""

_OWN: Final[Mapping[str, Prober]] = {
    HttpTarget.kind: probe_http,
    TcpTarget.kind: probe_tcp,
    ImapTarget.kind: probe_imap,
    SmtpTarget.kind: probe_smtp,
    UdpTarget.kind: probe_udp,
    IcmpTarget.kind: probe_icmp,
    DnsTarget.kind: probe_dns,
    TlsTarget.kind: probe_tls,
    KubernetesTarget.kind: probe_kubernetes,
    GrpcTarget.kind: probe_grpc,
    WebSocketTarget.kind: probe_websocket,
    GraphqlTarget.kind: probe_graphql,
    HeartbeatTarget.kind: probe_heartbeat,
    MqttTarget.kind: probe_mqtt,
    SqlTarget.kind: probe_sql,
    RedisTarget.kind: probe_redis,
}
PROBERS: Final[Mapping[str, Prober]] = {**_OWN, **installed_probers(_OWN)}
