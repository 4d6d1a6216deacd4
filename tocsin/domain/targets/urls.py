"""HTTP URLs, as every kind of target takes them."""

import re
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from tocsin.domain.targets.addresses import (
    HOST_MESSAGE,
    IPV4_PATTERN,
    IPV6_PATTERN,
    NAME_PATTERN,
    NUMBER_PATTERN,
    validate_host,
)
from tocsin.domain.targets.rules import Rule, matches, matches_not

_IPV6_AND_PORT = re.compile(r"\[[^\[\]]*:[^\[\]]*\](?::[0-9]*)?")

_ABSOLUTE_PATTERN: Final = "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#:]"
_WEB_SOCKET_PATTERN: Final = "^(?:[Hh][Tt][Tt][Pp]|[Ww][Ss])[Ss]?://[^/?#:]"
_USER: Final = "[^/?#]*//(?:[^/?#]*@)?"
_PORT: Final = "0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_END: Final = "(?:[/?#]|$)"

_NOTHING_INVISIBLE: Final = matches_not(
    r"[\s\pZ\pC]", "must not contain spaces or control characters; write them percent-encoded"
)
_ABSOLUTE: Final = matches(
    _ABSOLUTE_PATTERN, "must be an absolute URL such as https://example.com/health, with scheme http or https"
)
_WEB_SOCKET: Final = matches(
    _WEB_SOCKET_PATTERN, "must be an absolute URL such as wss://example.com/socket, with scheme ws, wss, http or https"
)
_NO_CREDENTIALS: Final = matches_not(
    "^[^/?#]*//[^/?#]*@", "must not contain a user name or password; send an Authorization header instead"
)


def _good_port(absolute_pattern: str) -> Rule:
    """What is no absolute URL is told so once, not also that its port and its host are wrong."""
    return Rule(
        f'!self.matches("{absolute_pattern}") || '
        rf'self.matches(r"^{_USER}(?:[^/?#:\[\]]*|\[[^/?#\[\]]*\])(?::(?:{_PORT})?)?{_END}")',
        "must be a URL such as https://example.com/health, with a port from 1 to 65535",
    )


def _good_host(absolute_pattern: str) -> Rule:
    return Rule(
        f'!self.matches("{absolute_pattern}") || '
        rf'self.matches(r"^{_USER}(?:{IPV4_PATTERN}|\[{IPV6_PATTERN}\])(?::[^/?#]*)?{_END}") || '
        rf'self.matches(r"^{_USER}{NAME_PATTERN}(?::[^/?#]*)?{_END}") && '
        rf'!self.matches(r"^{_USER}(?:[^/?#]*\.)?{NUMBER_PATTERN}(?::[^/?#]*)?{_END}")',
        HOST_MESSAGE.replace("without", "in"),
    )


_GOOD_PORT: Final = _good_port(_ABSOLUTE_PATTERN)


def _split_url(url: str) -> SplitResult:
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError(_NOTHING_INVISIBLE.message)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # The cause quotes what it took for a port, which may be part of a password.
        raise ValueError(_GOOD_PORT.message) from None
    return parts


def validate_url(url: str) -> str:
    """Return the URL unchanged. Raises ValueError for what is no URL to probe, and does not repeat it."""
    return _validated(url, ("http", "https"), _ABSOLUTE)


def validate_web_socket_url(url: str) -> str:
    """As `validate_url`, with the schemes of WebSockets too, which http and https stand for as well."""
    return _validated(url, ("ws", "wss", "http", "https"), _WEB_SOCKET)


def _validated(url: str, schemes: tuple[str, ...], absolute: Rule) -> str:
    parts = _split_url(url)
    if parts.scheme.lower() not in schemes or not parts.hostname:
        raise ValueError(absolute.message)
    if parts.username is not None or parts.password is not None:
        raise ValueError(_NO_CREDENTIALS.message)
    if parts.port == 0:
        raise ValueError("must have a port from 1 to 65535")
    if "[" in parts.netloc and not _IPV6_AND_PORT.fullmatch(parts.netloc):
        raise ValueError("must have an IPv6 address in brackets, and nothing else, as in http://[2001:db8::1]/")
    validate_host(parts.hostname)
    return url


Url = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    AfterValidator(validate_url),
    _NOTHING_INVISIBLE,
    _ABSOLUTE,
    _NO_CREDENTIALS,
    _GOOD_PORT,
    _good_host(_ABSOLUTE_PATTERN),
]
WebSocketUrl = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    AfterValidator(validate_web_socket_url),
    _NOTHING_INVISIBLE,
    _WEB_SOCKET,
    _NO_CREDENTIALS,
    _good_port(_WEB_SOCKET_PATTERN),
    _good_host(_WEB_SOCKET_PATTERN),
]
