"""What is watched: sites and their checks."""

from typing import Any

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.db_defaults import Now
from tortoise.models import Model

from tocsin.models.accounts import Organization


class Site(Model):
    """A group of checks, such as a service or a place."""

    id = fields.BigIntField(primary_key=True)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "models.Organization", db_index=False
    )
    organization_id: int
    name = fields.CharField(max_length=100)
    description = fields.CharField(max_length=500, default="")
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        # The names of an organization's sites are unique, but for deleted ones: a partial index, see the migrations.
        table = "sites"


class Check(Model):
    """A check as it is wanted now; what was due when is in the versions of its schedule.

    `target` holds the fields of the target model named by `kind`. Exactly one of `interval_seconds` and `cron` is set.
    """

    id = fields.BigIntField(primary_key=True)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "models.Organization", db_index=False
    )
    organization_id: int
    site: fields.ForeignKeyRelation[Site] = fields.ForeignKeyField(
        "models.Site", on_delete=fields.RESTRICT, db_index=True
    )
    site_id: int
    name = fields.CharField(max_length=100)
    description = fields.CharField(max_length=500, default="")
    kind = fields.CharField(max_length=32)
    target: fields.Field[dict[str, Any]] = fields.JSONField()
    interval_seconds = fields.IntField(null=True)
    cron = fields.CharField(max_length=100, null=True)
    time_zone = fields.CharField(max_length=64, null=True)
    timeout_ms = fields.IntField()
    retry_attempts = fields.SmallIntField(default=0)
    retry_delay_ms = fields.IntField(default=0)
    retry_backoff = fields.FloatField(default=1.0)
    failure_threshold = fields.SmallIntField()
    success_threshold = fields.SmallIntField()
    failure_window = fields.SmallIntField(null=True)
    location_ids: fields.Field[list[int]] = ArrayField("smallint")
    quorum = fields.CharField(max_length=8)
    labels: fields.Field[dict[str, str]] = fields.JSONField()
    paused = fields.BooleanField(default=False)
    revision = fields.IntField(default=1)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "checks"
        indexes = (("organization", "id"),)
