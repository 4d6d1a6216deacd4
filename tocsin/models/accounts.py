"""Who owns what: organizations and the tokens that open them."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class TokenPermission(StrEnum):
    """What a token may do."""

    FULL = "FULL"
    READ_ONLY = "READ_ONLY"


class Organization(Model):
    """The tenant: row-level security lets nobody look from one into another."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=100, unique=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "organizations"


class ApiToken(Model):
    """A bearer token. Only its SHA-256 is stored; `prefix` lets a person recognize it."""

    id = fields.BigIntField(primary_key=True)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField("models.Organization")
    organization_id: int
    name = fields.CharField(max_length=100)
    prefix = fields.CharField(max_length=16)
    token_hash = fields.CharField(max_length=64, unique=True)
    permission = fields.CharEnumField(TokenPermission, max_length=16)
    created_at = fields.DatetimeField(auto_now_add=True)
    expires_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_tokens"
