"""What a newcomer reads first: where the API is, the token, and what to try."""

import asyncio
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.listening import url_of
from tocsin.settings import Api, Receiver

CHECK_SECONDS: Final = 0.05
QUERY: Final = "{ checks(first: 20) { nodes { name status } } }"


@dataclass(frozen=True)
class OwnerToken:
    """The owner's token. `chosen` is set where the environment named it; `value` is None where nobody keeps it."""

    value: str | None
    chosen: bool = False


async def wait_until_listening(api: Api) -> None:
    """Return once something accepts connections there."""
    while True:
        try:
            _, writer = await asyncio.open_connection(api.host, api.port)
        except OSError:
            await asyncio.sleep(CHECK_SECONDS)
        else:
            return writer.close()


def welcome(api: Api, receiver: Receiver, data_dir: Path, token: OwnerToken) -> str:
    """The text, to be shown once the API listens."""
    url = url_of(api)
    program, folder = shlex.quote(sys.argv[0]), f"--data-dir {shlex.quote(str(data_dir))}"
    create = f"{program} token create --name me {folder}"
    shown, exported = _token_words(token, create)
    return f"""
  Tocsin is running.

    API        {url}/graphql   GraphiQL, when opened in a browser
    Token      {shown}
    Health     {url}/readyz   metrics: {url}/metrics
    Heartbeats {receiver.url or url_of(receiver)}   where what must report in does so

  Try first, in another terminal:

    export TOCSIN_TOKEN={exported}
    {program} watch --url {url}
    curl -s {url}/graphql -H "Authorization: Bearer $TOCSIN_TOKEN" -H 'Content-Type: application/json' \\
      -d '{{"query": "{QUERY}"}}'

  Ctrl-C stops everything; the data stays in {data_dir}.

"""


def _token_words(token: OwnerToken, create: str) -> tuple[str, str]:
    """How the token is shown, and how a shell gets it."""
    if token.value is None:
        return f"not kept here; make one with: {create}", f"$({create})"
    if token.chosen:
        return "the one in TOCSIN_BOOTSTRAP_TOKEN", '"$TOCSIN_BOOTSTRAP_TOKEN"'
    return token.value, token.value
