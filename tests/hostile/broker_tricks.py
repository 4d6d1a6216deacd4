"""What an MQTT broker may do to a client."""

from collections.abc import Mapping
from typing import Any, Final

from tests.hostile.tricks import ADDRESS, BLOCK, PORT, Trick, drips, floods, only, says, silent
from tocsin.domain.observations import Reason

CONNECTED: Final = b"\x20\x02\x00\x00"


def mqtt(**fields: Any) -> Mapping[str, Any]:
    return {"host": ADDRESS, "port": PORT, **fields}


_PROTOCOL = only(Reason.PROTOCOL)
_REFUSED = only(Reason.PROTOCOL, Reason.BODY_LIMIT)
TALKS: Final = {
    "silence": (silent, only(Reason.TIMEOUT)),
    "by the byte": (drips(b"", b"\x20"), _REFUSED | only(Reason.TIMEOUT)),
    "length of five bytes": (says(b"\x20\xff\xff\xff\xff\xff\x7f"), _PROTOCOL),
    "length of 256 MB": (floods(b"\x20\xff\xff\xff\x7f", BLOCK), _REFUSED),
    "answer without a length": (says(b"\x20\x00"), _PROTOCOL),
    "another packet": (says(b"\x90\x03\x00\x01\x00"), _PROTOCOL),
    "packet of type 0": (says(b"\x00\x00"), _PROTOCOL),
    "no MQTT": (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), _REFUSED),
    "endless publications": (floods(CONNECTED, b"\x30\x05\x00\x01ahi" * 5000), _REFUSED | only(Reason.TIMEOUT)),
    "endless pongs": (
        floods(CONNECTED, b"\xd0\x00" * 10_000),
        only(None, Reason.TIMEOUT, Reason.PROTOCOL, Reason.BODY_LIMIT),
    ),
    "publication of 256 MB": (floods(CONNECTED + b"\x30\xff\xff\xff\x7f", BLOCK), _REFUSED),
    "refused": (says(b"\x20\x02\x00\x05"), only(Reason.AUTHENTICATION)),
}

TRICKS: Final = (
    *(Trick(f"MQTT: {name}", "mqtt", mqtt(), reasons, talk) for name, (talk, reasons) in TALKS.items()),
    *(
        Trick(f"MQTT topic: {name}", "mqtt", mqtt(topic="checks/a"), reasons - only(None), talk)
        for name, (talk, reasons) in TALKS.items()
    ),
)
