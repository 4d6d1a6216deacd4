"""The API over ASGI on a real database, with an organization and its tokens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from graphql_api.app import create_app
from tocsin.models import TokenPermission
from tocsin.services import accounts
from tocsin.settings import Encryption, Servers, Settings


@dataclass
class Client:
    """Sends operations with one token."""

    http: httpx.AsyncClient
    organization_id: int
    token: str

    async def send(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The whole answer, as JSON."""
        response = await self.http.post(
            "/graphql",
            json={"query": query, "variables": variables or {}},
            headers={"authorization": f"Bearer {self.token}"},
        )
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of an operation that must not fail; of a single field, its value."""
        answer = await self.send(query, variables)
        assert "errors" not in answer, answer["errors"]
        data = answer["data"]
        return next(iter(data.values())) if len(data) == 1 else data

    async def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """The only error of an operation that must fail."""
        answer = await self.send(query, variables)
        (error,) = answer["errors"]
        assert isinstance(error, dict)
        return error

    async def create_site(self, name: str = "shop") -> str:
        query = "mutation ($input: CreateSiteInput!) { createSite(input: $input) { ... on Site { id } } }"
        site = await self.data(query, input={"name": name})
        return str(site["id"])

    async def create_secret(self, name: str = "api-token", value: str = "swordfish") -> str:
        query = """
        mutation ($input: CreateSecretInput!) { createSecret(input: $input) { __typename ... on Secret { id } } }
        """
        secret = await self.data(query, input={"name": name, "value": value})
        assert secret["__typename"] == "Secret", secret
        return str(secret["id"])

    async def create_check(self, site_id: str, name: str = "front page", **fields: Any) -> str:
        query = """
        mutation ($input: CreateCheckInput!) { createCheck(input: $input) {
            __typename ... on Check { id } ... on InvalidInput { problems { path message } } } }
        """
        target = {"http": {"url": "https://example.com/"}}
        check = await self.data(query, input={"siteId": site_id, "name": name, "target": target, **fields})
        assert check["__typename"] == "Check", check
        return str(check["id"])


@pytest.fixture
async def api_http(database_url: str, servers: Servers) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP straight into the application."""
    keys = Encryption({"k1": bytes(range(32))})
    app = create_app(Settings(Servers(database_url, servers.redis_url), encryption=keys))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


async def _client(
    owner: asyncpg.Connection, http: httpx.AsyncClient, organization: str, permission: TokenPermission
) -> Client:
    organization_id = await accounts.ensure_organization(owner, organization)
    token = await accounts.create_token(owner, organization_id, f"{organization}'s {permission.lower()}", permission)
    return Client(http, organization_id, token)


@pytest.fixture
async def client(owner: asyncpg.Connection, api_http: httpx.AsyncClient) -> Client:
    return await _client(owner, api_http, "acme", TokenPermission.FULL)


@pytest.fixture
async def reader(owner: asyncpg.Connection, api_http: httpx.AsyncClient) -> Client:
    """Of the same organization, but may only read."""
    return await _client(owner, api_http, "acme", TokenPermission.READ_ONLY)


@pytest.fixture
async def stranger(owner: asyncpg.Connection, api_http: httpx.AsyncClient) -> Client:
    """Of another organization."""
    return await _client(owner, api_http, "globex", TokenPermission.FULL)
