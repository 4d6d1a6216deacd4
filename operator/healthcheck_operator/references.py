"""Where a target is, told by a Service, an Ingress or an HTTPRoute of the object's own namespace."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from healthcheck_operator.cluster import Cluster, ForbiddenCallError, MissingObjectError
from healthcheck_operator.specs import ObjectReference

_PATHS: Final[Mapping[str, tuple[str, str]]] = {
    "serviceRef": ("Service", "/api/v1/namespaces/{}/services/{}"),
    "ingressRef": ("Ingress", "/apis/networking.k8s.io/v1/namespaces/{}/ingresses/{}"),
    "httpRouteRef": ("HTTPRoute", "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/{}"),
}
_GATEWAY: Final = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways/{}"
# The Gateway API lets a route name its Gateway by any text, which would lead to any path of the API server.
_OBJECT_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


class UnresolvedError(Exception):
    """A reference that leads nowhere at present; `reason` is the word for it in a condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def resolve(
    cluster: Cluster, namespace: str, reference: ObjectReference, *, as_url: bool
) -> dict[str, str | int]:
    """The fields of a target that the reference stands for: `url`, or `host` and `port`. Raises UnresolvedError."""
    name = reference.content["name"]
    found = await _read(cluster, reference.field, namespace, name)
    match reference.field:
        case "serviceRef":
            return service_address(found, reference.content, as_url=as_url)
        case "ingressRef":
            return {"url": ingress_url(found, reference.content)}
        case _:
            is_https = await _listens_with_tls(cluster, namespace, found["spec"].get("parentRefs") or ())
            return {"url": route_url(found, reference.content, is_https=is_https)}


async def _read(cluster: Cluster, field: str, namespace: str, name: str) -> Any:  # noqa: ANN401 - JSON
    kind, path = _PATHS[field]
    try:
        return await cluster.get(path.format(namespace, name))
    except MissingObjectError as exc:
        raise UnresolvedError("NotFound", f"there is no {kind} {name} in namespace {namespace}") from exc
    except ForbiddenCallError as exc:
        raise UnresolvedError("NotGranted", f"the operator may not read {kind} objects: {exc}") from exc


def service_address(service: Any, wanted: Mapping[str, Any], *, as_url: bool) -> dict[str, str | int]:  # noqa: ANN401
    """Where a Service answers. Raises UnresolvedError."""
    metadata, spec = service["metadata"], service["spec"]
    port = _service_port(metadata["name"], spec.get("ports") or (), wanted.get("port"))
    host = spec.get("externalName") or f"{metadata['name']}.{metadata['namespace']}.svc.{cluster_domain()}"
    if not as_url:
        return {"host": host, "port": port}
    return {"url": f"{wanted.get('scheme', 'http')}://{host}:{port}{wanted.get('path', '/')}"}


def _service_port(name: str, ports: Sequence[Any], wanted: str | int | None) -> int:
    if isinstance(wanted, int):
        return wanted
    fitting = [each["port"] for each in ports if wanted is None or each.get("name") == wanted]
    if len(fitting) == 1:
        return int(fitting[0])
    if wanted is None:
        raise UnresolvedError("Ambiguous", f"Service {name} has {len(ports)} ports; say which with serviceRef.port")
    raise UnresolvedError("NotFound", f"Service {name} has no port named {wanted}")


def ingress_url(ingress: Any, wanted: Mapping[str, Any]) -> str:  # noqa: ANN401 - JSON
    """The URL that an Ingress serves. Raises UnresolvedError."""
    spec = ingress["spec"]
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    host = _one_host("Ingress", ingress["metadata"]["name"], hosts, wanted.get("host"), "ingressRef.host")
    encrypted = {name for tls in spec.get("tls") or () for name in tls.get("hosts") or hosts}
    return f"{'https' if host in encrypted else 'http'}://{host}{wanted.get('path', '/')}"


def route_url(route: Any, wanted: Mapping[str, Any], *, is_https: bool) -> str:  # noqa: ANN401 - JSON
    """The URL that an HTTPRoute serves. Raises UnresolvedError."""
    hosts = route["spec"].get("hostnames") or ()
    host = _one_host("HTTPRoute", route["metadata"]["name"], hosts, wanted.get("hostname"), "httpRouteRef.hostname")
    return f"{'https' if is_https else 'http'}://{host}{wanted.get('path', '/')}"


def _one_host(kind: str, name: str, hosts: Sequence[str], wanted: str | None, field: str) -> str:
    if wanted is not None:
        if not any(_covers(host, wanted) for host in hosts):
            raise UnresolvedError("NotFound", f"{kind} {name} does not serve {wanted}")
        return wanted
    exact = sorted({host for host in hosts if not host.startswith("*")})
    if len(exact) != 1:
        raise UnresolvedError("Ambiguous", f"{kind} {name} has {len(exact)} hosts; say which with {field}")
    return exact[0]


def _covers(host: str, wanted: str) -> bool:
    return host == wanted or (host.startswith("*.") and wanted.endswith(host[1:]))


@cache
def cluster_domain(file: Path = Path("/etc/resolv.conf")) -> str:
    """The domain of the cluster's names, as pods search it: probes look up full names alone."""
    lines = file.read_text().splitlines() if file.exists() else []
    searched = [name for line in lines if line.startswith("search") for name in line.split()[1:]]
    return next((name.removeprefix("svc.") for name in searched if name.startswith("svc.")), "cluster.local")


async def _listens_with_tls(cluster: Cluster, namespace: str, parents: Sequence[Any]) -> bool:
    """Whether one of the listeners that the route is attached to speaks TLS."""
    for parent in parents:
        place = parent.get("namespace") or namespace, parent["name"]
        if not all(map(_OBJECT_NAME.fullmatch, place)):
            raise UnresolvedError("NotFound", "a parentRef of the HTTPRoute names no Gateway; give it the name of one")
        try:
            gateway = await cluster.get(_GATEWAY.format(*place))
        except (MissingObjectError, ForbiddenCallError) as exc:
            raise UnresolvedError("NotFound", f"Gateway {parent['name']} cannot be read: {exc}") from exc
        section = parent.get("sectionName")
        listeners = gateway["spec"]["listeners"]
        if any(each["protocol"] == "HTTPS" for each in listeners if section in (None, each["name"])):
            return True
    return False
