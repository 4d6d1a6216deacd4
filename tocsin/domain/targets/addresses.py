"""Host names and ports, as every kind of target takes them."""

import re
import unicodedata
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from tocsin.domain.targets.rules import Rule


class IpFamily(StrEnum):
    """Which addresses of a name are probed."""

    ANY = "ANY"
    IPV4 = "IPV4"
    IPV6 = "IPV6"


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
        raise ValueError(HOST_MESSAGE if host.isascii() else f"{_HOST_OR_ADDRESS}{_IN_ASCII}")
    return host


_HOST_OR_ADDRESS: Final = "must be a host name such as example.com, or an IP address in full"
_IN_ASCII: Final = "; write a name that is not accepted in its own script in ASCII, as xn--..."
HOST_MESSAGE: Final = f"{_HOST_OR_ADDRESS}, such as 192.0.2.1 or 2001:db8::1 without brackets"


def _ipv6_pattern() -> str:
    """Eight groups, of which `::` may stand for some, and an IPv4 address for the last two."""
    last_two = f"(?:{_GROUP}:{_GROUP}|{IPV4_PATTERN})"
    forms = [f"(?:{_GROUP}:){{6}}{last_two}"]
    forms += [f"{_groups(5 - after)}::(?:{_GROUP}:){{{after}}}{last_two}" for after in range(5, -1, -1)]
    return f"(?:{'|'.join((*forms, f'{_groups(6)}::{_GROUP}', f'{_groups(7)}::'))})"


def _groups(most: int) -> str:
    """None, or up to so many groups with colons between them."""
    return f"(?:(?:{_GROUP}:){{0,{most - 1}}}{_GROUP})?" if most else ""


_GROUP: Final = "[0-9A-Fa-f]{1,4}"
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LETTERS: Final = r"0-9A-Za-z_\pL\pM\pN"
_NAME_PART: Final = f"[{_LETTERS}](?:[{_LETTERS}-]{{0,61}}[{_LETTERS}])?"
# In the syntax of RE2, as in all rules.
IPV4_PATTERN: Final = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
IPV6_PATTERN: Final = _ipv6_pattern()
NAME_PATTERN: Final = rf"{_NAME_PART}(?:\.{_NAME_PART})*\.?"
NUMBER_PATTERN: Final = r"(?:[0-9]+|0[Xx][0-9A-Fa-f]*)\.?"

# `isIP` is of Kubernetes; a pattern of both families would be two thousand characters at every host.
HOST_RULE: Final = Rule(
    rf'isIP(self) || self.matches(r"^{NAME_PATTERN}$") && !self.matches(r"(?:^|\.){NUMBER_PATTERN}$")',
    HOST_MESSAGE,
)
Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(validate_host), HOST_RULE]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
