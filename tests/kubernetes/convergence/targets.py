"""A target in a thread of its own: tests that run kubectl hold up their event loop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Target:
    """Answers with `status`, and keeps what requests said in their Authorization header."""

    port: int = 0
    status: int = 200
    authorizations: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def served_target() -> Iterator[Target]:
    target = Target()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target.authorizations.append(self.headers["Authorization"])
            self.send_response(target.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        target.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield target
        server.shutdown()
