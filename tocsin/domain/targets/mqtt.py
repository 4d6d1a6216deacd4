"""An MQTT broker that must answer, and deliver what it is given."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Requirement, matches_not
from tocsin.domain.targets.tls_options import TlsOptions

_NO_WILDCARD: Final = matches_not(r"[+#\x00-\x1f\x7f]", "must be one topic, without + or # or control characters")
_NO_CONTROL: Final = matches_not(r"[\x00-\x1f\x7f]", "must not contain control characters; leave them out")
_NEEDS_USER: Final = Requirement("password", "has(self.user)", "needs a user; MQTT 3.1.1 takes no password alone")


class MqttVersion(StrEnum):
    """A version of the protocol."""

    MQTT_3_1_1 = "MQTT_3_1_1"
    MQTT_5 = "MQTT_5"


def _is_control(character: str) -> bool:
    return character < " " or character == "\x7f"


def _validate_topic(topic: str) -> str:
    if any(character in "+#" or _is_control(character) for character in topic):
        raise ValueError(_NO_WILDCARD.message)
    return topic


def _validate_login(text: str) -> str:
    if any(map(_is_control, text)):
        raise ValueError(_NO_CONTROL.message)
    return text


class MqttTarget(Target):
    """An MQTT broker that must answer, and deliver a message where a topic is given."""

    kind: ClassVar[str] = "mqtt"
    requirements: ClassVar[tuple[Requirement, ...]] = (_NEEDS_USER,)
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.CERTIFICATE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(default=1883, description="Port, from 1 to 65535.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    tls: TlsOptions | None = Field(default=None, description="How the connection is secured; without it, it is not.")
    version: MqttVersion = Field(default=MqttVersion.MQTT_3_1_1, description="Version of the protocol to speak.")
    user: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_validate_login), _NO_CONTROL] | None = (
        Field(default=None, description="Account to log in as; without it, nobody logs in.")
    )
    password: Annotated[
        Annotated[str, Field(max_length=1024), AfterValidator(_validate_login), _NO_CONTROL] | None, MayBeSecret()
    ] = Field(default=None, description="Its password.")
    topic: (
        Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_validate_topic), _NO_WILDCARD] | None
    ) = Field(default=None, description="A message with a text of its own is published to it, and must be delivered.")

    @field_validator("password")
    @classmethod
    def _password_needs_a_user(cls, password: str | None, info: ValidationInfo) -> str | None:
        if password is not None and "user" in info.data and info.data["user"] is None:
            raise ValueError(_NEEDS_USER.message)
        return password
