"""What the engine's processes count, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

_LATENESS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

LATENESS = Histogram(
    "tocsin_schedule_lateness_seconds", "From a slot to the start of its probe.", buckets=_LATENESS_BUCKETS
)
PROBES = Counter("tocsin_probes_total", "Probes that ended.", ["kind", "outcome"])
PROBES_UNDER_WAY = Gauge(
    "tocsin_probes_under_way", "Slots that this worker holds and has not recorded yet.", multiprocess_mode="livesum"
)
IMPAIRED = Gauge(
    "tocsin_location_impaired",
    "1 while none of this worker's canaries answers: failures count as UNKNOWN.",
    multiprocess_mode="livemax",
)
RESULT_LAG = Histogram("tocsin_result_lag_seconds", "From the end of a probe to the commit of its result.")
TICKS = Counter("tocsin_ticks_planned_total", "Ticks that this scheduler planned.")
SLOTS = Counter("tocsin_slots_planned_total", "Slots that this scheduler planned.")
GAPS = Counter("tocsin_gap_seconds_total", "Seconds that were not planned, recorded as gaps.")
MISSED = Counter("tocsin_missed_slots_total", "Slots that ended without a probe.", ["reason"])
RELEASED = Counter("tocsin_leases_expired_total", "Batches taken from a worker that showed no sign of life.")
CLOCK_HELD = Gauge(
    "tocsin_clock_held_back_seconds",
    "How far the database's clock stands behind after a step back.",
    multiprocess_mode="livemax",
)
