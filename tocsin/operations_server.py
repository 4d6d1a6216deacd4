"""What orchestrators and Prometheus ask a process that serves nobody else: a port of its own, and a thread."""

import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer

from prometheus_client.exposition import MetricsHandler

from tocsin.pulse import Pulse


def serve_operations(port: int, pulse: Pulse) -> ThreadingHTTPServer:
    """Serve `/healthz`, `/readyz` and `/metrics` on every address of this machine. Raises OSError."""

    class Operations(MetricsHandler):
        # Each connection is a thread.
        timeout = 10

        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            path = self.path.partition("?")[0]
            if path == "/healthz":
                self._say(not pulse.stands_still, "alive", "standing still")
            elif path == "/readyz":
                self._say(pulse.has_begun and not pulse.stands_still, "ready", "not at work")
            elif path == "/metrics":
                super().do_GET()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _say(self, good: bool, yes: str, no: str) -> None:
            body = f"{yes if good else no}\n".encode()
            self.send_response(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("", port), Operations)
    threading.Thread(target=server.serve_forever, name="operations", daemon=True).start()
    return server
