"""What a browser shows of the API's address."""

import re

import httpx


async def test_the_front_page_names_the_ways_in_and_what_to_try(api_http: httpx.AsyncClient) -> None:
    page = await api_http.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name in ("/graphql", "/graphql/stream", "/healthz", "/readyz", "/metrics", "tocsin watch", "tocsin schema"):
        assert name in page.text


async def test_every_link_of_the_front_page_leads_somewhere(api_http: httpx.AsyncClient) -> None:
    for link in re.findall(r'href="([^"]+)"', (await api_http.get("/")).text):
        assert (await api_http.get(f"/{link}", headers={"accept": "text/html"})).status_code != 404


async def test_the_front_page_needs_no_internet_and_runs_nothing(api_http: httpx.AsyncClient) -> None:
    page = await api_http.get("/")
    assert not re.search("<script|src=|//", page.text)
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
