"""What every kind of target has in common."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Target(BaseModel):
    """What to probe. A kind's fields, their limits and descriptions are said once, in its model.

    The stored JSON, the GraphQL types and the documentation are made from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)

    kind: ClassVar[str]

    @property
    def summary(self) -> str:
        """One line that names the target to a person, without secrets."""
        raise NotImplementedError
