"""HealthCheck objects as the API server gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

GROUP: Final = "tocsin.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "HealthCheck"
PLURAL: Final = "healthchecks"
API_VERSION: Final = f"{GROUP}/{VERSION}"
# Whoever sets it asks for a probe now; the operator takes it away again.
RUN_AT_ANNOTATION: Final = f"{GROUP}/run-at"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One object at one moment; `status` is what was written into it before.

    Of two moments of an object the later one has the larger `version`.
    """

    namespace: str
    name: str
    uid: UUID
    generation: int
    version: int
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    run_at: str | None

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def read_object(body: Mapping[str, Any]) -> HealthCheck:
    """The object in a body of a watch, a list or an answer."""
    metadata = body["metadata"]
    return HealthCheck(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=UUID(metadata["uid"]),
        generation=metadata["generation"],
        version=int(metadata["resourceVersion"]),
        spec=body.get("spec") or {},
        status=body.get("status") or {},
        run_at=(metadata.get("annotations") or {}).get(RUN_AT_ANNOTATION),
    )


def path_of(namespace: str, name: str = "") -> str:
    """Where objects of a namespace are found, or the one of this name."""
    collection = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
    return f"{collection}/{name}" if name else collection
