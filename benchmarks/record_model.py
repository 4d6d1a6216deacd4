"""A result as an ORM's model would have it: a UUID for a key, and an index for what is read."""

from typing import ClassVar

from tortoise import fields
from tortoise.models import Model


class StoredResult(Model):
    """The columns of a result, in the hands of Tortoise."""

    id = fields.UUIDField(primary_key=True)
    organization_id = fields.BigIntField()
    check_id = fields.BigIntField()
    slot = fields.DatetimeField()
    location_id = fields.SmallIntField()
    revision = fields.IntField()
    started_at = fields.DatetimeField()
    duration_us = fields.IntField()
    outcome = fields.SmallIntField()
    reason = fields.SmallIntField(null=True)
    status_code = fields.SmallIntField(null=True)
    resolve_us = fields.IntField(null=True)
    connect_us = fields.IntField(null=True)
    tls_us = fields.IntField(null=True)
    processing_us = fields.IntField(null=True)
    transfer_us = fields.IntField(null=True)
    certificate_expires_at = fields.DatetimeField(null=True)
    address = fields.CharField(max_length=45, null=True)
    message = fields.TextField(null=True)

    class Meta:
        table = "stored_results"
        indexes: ClassVar = [("check_id", "slot")]
