"""`/`: what a person finds who opens the API's address in a browser. It loads nothing from anywhere."""

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

FRONT_PATH: Final = "/"

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tocsin</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
dt { font-weight: 600 } dd { margin: 0 0 .75rem } pre { overflow-x: auto }
</style>
<h1>Tocsin</h1>
<p>This is the API of a health-check platform. It answers who sends a token, as in
<code>Authorization: Bearer tocsin_...</code>; <code>tocsin token create --name NAME</code> makes one.</p>
<dl>
<dt><a href="graphql">/graphql</a></dt>
<dd>GraphQL over HTTP, and over WebSockets as graphql-transport-ws. A browser gets GraphiQL, which loads its scripts
from the internet.</dd>
<dt>/graphql/stream</dt>
<dd>Subscriptions as server-sent events, for clients without WebSockets.</dd>
<dt><a href="healthz">/healthz</a>, <a href="readyz">/readyz</a>, <a href="metrics">/metrics</a></dt>
<dd>Whether the API lives, what of the platform is not ready, and what it counts, for Prometheus.</dd>
</dl>
<p>Watch sites, checks and incidents live in a terminal, with no internet, also from another machine, with
the token in <code>TOCSIN_TOKEN</code>:</p>
<pre>tocsin watch --url ADDRESS-OF-THIS-PAGE</pre>
<p><code>tocsin schema</code> prints the schema, in which every field describes itself; <code>tocsin --help</code>
lists the rest, and README.md shows first steps.</p>
</html>
"""
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


async def _show(_: Request) -> Response:
    return HTMLResponse(_PAGE, headers=_HEADERS)


def front_route() -> Route:
    """Open to everybody, as it says nothing of what is watched."""
    return Route(FRONT_PATH, _show)
