"""What every kind of target has in common."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Target(BaseModel):
    """What to probe. A kind's fields, their limits and descriptions are said once, in its model.

    The stored JSON, the GraphQL types and the documentation are made from it.
    """

    # Errors are logged, and a refused URL, header or body may carry a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ClassVar[str]
