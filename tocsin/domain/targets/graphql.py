"""A GraphQL API that must answer a query, or deliver to a subscription."""

import json
import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.graphql_documents import is_subscription, validate_document
from tocsin.domain.targets.addresses import IpFamily
from tocsin.domain.targets.http import HttpVersion
from tocsin.domain.targets.http_auth import ONE_AUTHORIZATION, HttpAuth, the_only_authorization
from tocsin.domain.targets.http_fields import IS_TEXT, NO_NUL, HttpHeader, JsonText
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Need, Requirement, matches
from tocsin.domain.targets.secrets import PLACEHOLDER
from tocsin.domain.targets.tls_options import TlsOptions
from tocsin.domain.targets.urls import Url

_NAME: Final = "[A-Za-z_][0-9A-Za-z_]*"
_NAME_RULE: Final = matches(f"^{_NAME}$", "must be the name of an operation: letters, digits and _")
_PATH: Final = rf"{_NAME}(?:\.(?:{_NAME}|[0-9]+))*"
_PATH_RULE: Final = matches(f"^{_PATH}$", "must lead to a field of the data, such as shop.name or shops.0.name")
_OBJECT_MESSAGE: Final = 'must be a JSON object, such as {"id": 7}'
_OBJECT_RULE: Final = matches(r"^\s*\{", _OBJECT_MESSAGE)
# Behind what GraphQL ignores. Which of several operations is chosen is left to the validator.
_SUBSCRIPTION: Final = r"^(?:[\s,]|#[^\n]*\n)*subscription\b"
_NEEDS_SUBSCRIPTION: Final = Need(
    "subscription",
    f'!has(self.operationName) && self.query.matches(r"{_SUBSCRIPTION}")',
    "is missing, and the query is a subscription; give it, such as subscription: {}",
)


def _validate_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(_NAME_RULE.message)
    return name


def _validate_path(path: str) -> str:
    if not re.fullmatch(_PATH, path):
        raise ValueError(_PATH_RULE.message)
    return path


def _validate_object(text: str) -> str:
    if text != PLACEHOLDER and not isinstance(json.loads(text), dict):
        raise ValueError(_OBJECT_MESSAGE)
    return text


JsonObject = Annotated[JsonText, AfterValidator(_validate_object), _OBJECT_RULE]
FieldPath = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_validate_path), _PATH_RULE]


class GraphqlSubscription(BaseModel):
    """How a subscription is opened, over graphql-transport-ws, and how soon it must deliver."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    within_seconds: Annotated[int, Field(strict=True, ge=1, le=60)] | None = Field(
        default=None, description="How soon it must deliver; without it, the check's timeout says so."
    )
    connection_payload: Annotated[JsonObject | None, MayBeSecret()] = Field(
        default=None, description="JSON object to send when the connection is opened, such as credentials."
    )


class GraphqlTarget(Target):
    """A GraphQL API that must answer a query without errors, or deliver to a subscription."""

    kind: ClassVar[str] = "graphql"
    sources: ClassVar[frozenset[Source]] = frozenset(
        {Source.STATUS, Source.HEADER, Source.BODY, Source.JSON, Source.SIZE, Source.CERTIFICATE}
    )
    requirements: ClassVar[tuple[Requirement, ...]] = (ONE_AUTHORIZATION,)
    needs: ClassVar[tuple[Need, ...]] = (_NEEDS_SUBSCRIPTION,)

    url: Url = Field(description="Absolute http or https URL; a subscription is opened there as a WebSocket.")
    query: Annotated[
        str, Field(min_length=1, max_length=16_384), IS_TEXT, NO_NUL, AfterValidator(validate_document)
    ] = Field(description="Document to execute: a query, a mutation or a subscription.")
    variables: Annotated[JsonObject | None, MayBeSecret()] = Field(
        default=None, description="Variables of the operation, as a JSON object."
    )
    operation_name: (
        Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_validate_name), _NAME_RULE] | None
    ) = Field(default=None, description="Which operation to execute when the document has several.")
    subscription: GraphqlSubscription | None = Field(
        default=None,
        validate_default=True,
        description="Given when the operation is a subscription, which must deliver.",
    )
    expected_fields: tuple[FieldPath, ...] = Field(
        default=(), max_length=50, description="Fields of the data that must be there and not null, such as shop.name."
    )
    headers: tuple[HttpHeader, ...] = Field(default=(), max_length=50, description="Headers to send, in this order.")
    auth: HttpAuth | None = Field(default=None, description="Credentials of the request.")
    http_version: HttpVersion = Field(
        default=HttpVersion.HTTP_1_1, description="Version of HTTP to speak; a subscription is always opened in 1.1."
    )
    tls: TlsOptions | None = Field(default=None, description="How TLS is spoken, and whom to trust.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")

    @field_validator("subscription")
    @classmethod
    def _is_given_for_a_subscription(
        cls, subscription: GraphqlSubscription | None, info: ValidationInfo
    ) -> GraphqlSubscription | None:
        is_readable = {"query", "operation_name"} <= info.data.keys()
        if subscription is None and is_readable and is_subscription(info.data["query"], info.data["operation_name"]):
            raise ValueError(_NEEDS_SUBSCRIPTION.message)
        return subscription

    @field_validator("auth")
    @classmethod
    def _is_the_only_authorization(cls, auth: HttpAuth | None, info: ValidationInfo) -> HttpAuth | None:
        return the_only_authorization(auth, info.data.get("headers", ()))
