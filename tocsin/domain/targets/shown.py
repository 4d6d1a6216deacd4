"""What a target is called in one line: where it is, without what else is asked of it."""

from collections.abc import Mapping
from typing import Any, Final

# The fields that say where a target is, of whatever kind.
ADDRESS_FIELDS: Final = ("url", "host", "port", "record_type", "name", "workload", "pods", "resource")


def shown_address(fields: Mapping[str, Any]) -> str:
    """The URL, host and port, records or object of a target; empty where its fields tell no such thing."""
    match fields:
        case {"url": str(url)}:
            return url
        case {"host": str(host), "port": int(port)}:
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case {"host": str(host)}:
            return host
    return _shown_object(fields)


def _shown_object(fields: Mapping[str, Any]) -> str:
    match fields:
        case {"record_type": str(record_type), "name": str(name)}:
            return f"{record_type} {name}"
        case {"workload": {"kind": kind, "name": name}}:
            return f"{kind}/{name}"
        case {"pods": {"selector": selector}}:
            return f"Pods {selector}"
        case {"resource": {"resource": plural, "name": name}}:
            return f"{plural}/{name}"
    return ""


def without_query(url: str) -> str:
    """The URL with its query masked, which may hold a key."""
    address, question, _ = url.partition("#")[0].partition("?")
    return f"{address}?***" if question else address
