"""What the operator counts for Prometheus."""

from typing import Final

from prometheus_client import Counter, Gauge

OBJECTS: Final = Gauge("tocsin_operator_objects", "HealthCheck objects that are known.", multiprocess_mode="livesum")
WAITING: Final = Gauge("tocsin_operator_waiting", "Objects that wait to be looked at.", multiprocess_mode="livesum")
LEADING: Final = Gauge("tocsin_operator_leading", "1 while this replica leads.", multiprocess_mode="livesum")
SWEPT_AT: Final = Gauge(
    "tocsin_operator_last_sweep_timestamp_seconds", "When the last sweep ended.", multiprocess_mode="max"
)
STATUS_WRITES: Final = Counter("tocsin_operator_status_writes", "Statuses that were written.")
FAILURES: Final = Counter("tocsin_operator_failures", "Attempts that are to be made again.", ["error"])
UNSEEN: Final = Counter("tocsin_operator_unseen_changes", "Changes that a sweep found and the watch did not tell.")
LOST: Final = Counter("tocsin_operator_lost_objects", "Objects that a sweep found gone.")
