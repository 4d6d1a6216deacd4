"""The state of a check as a model, which Tocsin itself reads by plain SQL."""

from tortoise import fields
from tortoise.models import Model


class State(Model):
    """A row of `check_states`, for one location."""

    check_id = fields.BigIntField(primary_key=True)
    status = fields.CharField(max_length=16)
    since = fields.DatetimeField()
    last_slot = fields.DatetimeField(null=True)
    last_duration_us = fields.IntField(null=True)
    last_outcome = fields.SmallIntField(null=True)
    last_status_code = fields.SmallIntField(null=True)

    class Meta:
        table = "check_states"
