"""What went wrong, and what people did about it."""

from datetime import datetime
from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from tocsin.models.accounts import Organization


class IncidentStatus(StrEnum):
    """How far an incident has come. `RESOLVED` is final."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"

    @classmethod
    def of(cls, acknowledged_at: datetime | None, resolved_at: datetime | None) -> "IncidentStatus":
        if resolved_at is not None:
            return cls.RESOLVED
        return cls.OPEN if acknowledged_at is None else cls.ACKNOWLEDGED


class Resolution(StrEnum):
    """Why an incident ended. Only `RECOVERED` says that the target is well."""

    RECOVERED = "RECOVERED"
    PAUSED = "PAUSED"
    TARGET_CHANGED = "TARGET_CHANGED"
    DELETED = "DELETED"


class IncidentEventKind(StrEnum):
    """What happened to an incident."""

    OPENED = "OPENED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    COMMENTED = "COMMENTED"
    RESOLVED = "RESOLVED"


class Incident(Model):
    """A period in which a check's target was down.

    `opened_at` is the first failing slot, `detected_at` the one that decided, `resolved_at` the first succeeding slot.
    `version` counts its events, so that two writers cannot both write the next one.
    """

    id = fields.BigIntField(primary_key=True)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "models.Organization", db_index=False
    )
    organization_id: int
    # No relation of the ORM: results and states know a check by its number too, and outlive no check.
    check_id = fields.BigIntField(db_index=True)
    opened_at = fields.DatetimeField()
    detected_at = fields.DatetimeField()
    acknowledged_at = fields.DatetimeField(null=True)
    resolved_at = fields.DatetimeField(null=True)
    resolution = fields.CharEnumField(Resolution, max_length=16, null=True)
    cause = fields.CharField(max_length=32, null=True)
    message = fields.CharField(max_length=500, null=True)
    version = fields.IntField(default=1)

    class Meta:
        table = "incidents"
        indexes = (("organization", "id"),)

    @property
    def status(self) -> IncidentStatus:
        return IncidentStatus.of(self.acknowledged_at, self.resolved_at)


class IncidentEvent(Model):
    """One line in the story of an incident; `actor` is None for what Tocsin did itself."""

    id = fields.BigIntField(primary_key=True)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "models.Organization", db_index=False
    )
    organization_id: int
    incident: fields.ForeignKeyRelation[Incident] = fields.ForeignKeyField("models.Incident", db_index=False)
    incident_id: int
    version = fields.IntField()
    kind = fields.CharEnumField(IncidentEventKind, max_length=16)
    at = fields.DatetimeField()
    message = fields.CharField(max_length=2000, null=True)
    actor = fields.CharField(max_length=100, null=True)

    class Meta:
        table = "incident_events"
        unique_together = (("incident", "version"),)
