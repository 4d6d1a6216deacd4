"""Host names and ports, as every kind of target takes them."""

import re
import unicodedata
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
# What some resolvers read as part of an IPv4 address, so that 127.1 or 0x7f000001 would name two things.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_host_name(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]) or not all(_is_label(label) for label in labels):
        return False
    return len(".".join(label.encode("idna").decode() for label in labels)) <= 253


def _is_label(label: str) -> bool:
    if not label.isascii():
        return _is_international(label.lower())
    return bool(_LABEL.fullmatch(label)) and (not label.lower().startswith("xn--") or _is_punycode(label[4:]))


def _is_international(label: str) -> bool:
    """Whether IDNA of 2003 and of 2008 agree on the label; else one library looks up another name than the next."""
    try:
        return _is_text(label) and label.encode("idna") == b"xn--" + label.encode("punycode")
    except UnicodeError:
        return False


def _is_punycode(encoded: str) -> bool:
    try:
        return _is_text(encoded.encode().decode("punycode"))
    except UnicodeError:
        return False


def _is_text(label: str) -> bool:
    return all(character == "-" or unicodedata.category(character)[0] in "LMN" for character in label)


def validate_host(host: str) -> str:
    """Return the host unchanged. Raises ValueError for what is neither a host name nor an IP address."""
    if "%" in host:
        raise ValueError("must not contain %; leave out the zone of an address, and percent-encoding")
    if not _is_ip_address(host) and not _is_host_name(host):
        raise ValueError(f"must be a host name such as example.com, or an IP address in full{_remedy(host)}")
    return host


def _remedy(host: str) -> str:
    if not host.isascii():
        return "; write a name that is not accepted in its own script in ASCII, as xn--..."
    return ", such as 192.0.2.1 or 2001:db8::1 without brackets"


Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(validate_host)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
