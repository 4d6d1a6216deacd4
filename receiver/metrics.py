"""What a receiver counts, for Prometheus. Nothing tells whose a report was."""

from prometheus_client import Counter, Gauge, Histogram

REPORTS = Counter("tocsin_receiver_reports_total", "Reports, by what became of them.", ["source", "kind", "outcome"])
REFUSED = Counter("tocsin_receiver_refused_total", "Requests that were no report.", ["status"])
WAITING = Gauge("tocsin_receiver_waiting_reports", "Reports that are not stored yet.", multiprocess_mode="livesum")
CONNECTED = Gauge(
    "tocsin_receiver_broker_connected", "1 while this receiver takes reports by MQTT.", multiprocess_mode="livesum"
)
DURATION = Histogram(
    "tocsin_receiver_request_seconds",
    "From a report to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
