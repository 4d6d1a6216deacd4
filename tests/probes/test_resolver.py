"""Names to addresses."""

import asyncio
import gc
from pathlib import Path

import dns.message
import dns.rrset
import pytest

import probes.wire.resolver
from probes.failures import ProbeFailure
from probes.wire.name_service import NameService
from probes.wire.resolver import Resolver
from tests.probes.name_server import NameServer
from tocsin.domain.observations import Reason


async def failure(resolver: Resolver, name: str) -> str:
    with pytest.raises(ProbeFailure) as caught:
        await resolver.resolve(name)
    assert caught.value.reason is Reason.DNS
    return caught.value.message


async def test_addresses_of_both_families_are_found_ipv4_first(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"AAAA": ["2606:4700::1"], "A": ["1.1.1.1"]}
    assert await resolver.resolve("a.example") == ("1.1.1.1", "2606:4700::1")


async def test_two_addresses_of_a_family_are_enough(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"A": [f"1.1.1.{last}" for last in range(1, 20)]}
    assert len(await resolver.resolve("a.example")) == 2


async def test_a_name_of_ipv6_alone_is_found(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"AAAA": ["2606:4700::1"]}
    assert await resolver.resolve("a.example") == ("2606:4700::1",)


async def test_aliases_are_followed(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"CNAME": ["b.example."]}
    name_server.records["b.example"] = {"CNAME": ["c.example."]}
    name_server.records["c.example"] = {"A": ["1.1.1.1"]}
    assert await resolver.resolve("a.example") == ("1.1.1.1",)


@pytest.mark.parametrize("spelling", ["A.Example", "a.example."])
async def test_a_name_is_found_in_any_case_and_with_its_root(
    name_server: NameServer, resolver: Resolver, spelling: str
) -> None:
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    assert await resolver.resolve(spelling) == ("1.1.1.1",)


async def test_an_international_name_is_asked_for_in_ascii(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["xn--bcher-kva.example"] = {"A": ["1.1.1.1"]}
    assert await resolver.resolve("bücher.example") == ("1.1.1.1",)


async def test_a_name_that_does_not_exist_is_said_so(resolver: Resolver) -> None:
    assert await failure(resolver, "no.example") == "NXDOMAIN for no.example: the name does not exist"


async def test_a_name_without_addresses_is_said_so(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["mail.example"] = {"MX": ["10 a.example."]}
    assert await failure(resolver, "mail.example") == "mail.example has no A and no AAAA record"


async def test_aliases_in_a_circle_have_no_address(name_server: NameServer, resolver: Resolver) -> None:
    records = [("a.example.", "b.example."), ("b.example.", "a.example.")]

    def circle(query: dns.message.Message) -> list[bytes]:
        answer = dns.message.make_response(query)
        answer.answer = [dns.rrset.from_text(name, 60, "IN", "CNAME", alias) for name, alias in records]
        return [answer.to_wire()]

    name_server.before = circle
    assert await failure(resolver, "a.example") == "a.example has no A and no AAAA record"


async def test_a_name_server_that_fails_is_said_so(name_server: NameServer, resolver: Resolver) -> None:
    name_server.broken.add("a.example")
    assert await failure(resolver, "a.example") == "the name server answered SERVFAIL for a.example"


async def test_the_next_name_server_is_asked(name_server: NameServer, unused_port: int) -> None:
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    resolver = Resolver(NameService((("127.0.0.1", unused_port), name_server.endpoint)))
    assert await resolver.resolve("a.example") == ("1.1.1.1",)


async def test_name_servers_that_cannot_be_reached_are_said_so(unused_port: int) -> None:
    resolver = Resolver(NameService((("127.0.0.1", unused_port),)))
    assert await failure(resolver, "a.example") == "no name server could be reached for a.example"


async def test_silent_name_servers_are_given_up(
    name_server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes.wire.resolver, "_LOOKUP_SECONDS", 0.1)
    name_server.silent.add("a.example")
    assert await failure(resolver, "a.example") == "no name server answered for a.example within 0.1 s"


async def test_one_family_is_enough_when_the_other_fails(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    name_server.broken.add("a.example AAAA")
    assert await resolver.resolve("a.example") == ("1.1.1.1",)


async def test_a_family_that_fails_is_said_when_the_other_has_no_address(
    name_server: NameServer, resolver: Resolver
) -> None:
    name_server.records["a.example"] = {}
    name_server.broken.add("a.example A")
    assert await failure(resolver, "a.example") == "the name server answered SERVFAIL for a.example"


async def test_one_family_does_not_wait_long_for_the_other(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"A": ["1.1.1.1"], "AAAA": ["2606:4700::1"]}
    name_server.delay_seconds["AAAA"] = 0.9
    async with asyncio.timeout(0.5):
        assert await resolver.resolve("a.example") == ("1.1.1.1",)


async def test_an_answer_that_was_cut_off_is_asked_for_over_tcp(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"A": [f"1.1.{third}.1" for third in range(200)]}
    addresses = await resolver.resolve("a.example")
    assert len(addresses) == 2
    assert name_server.asked["TCP"] == 1


async def test_forged_answers_are_passed_over(name_server: NameServer, resolver: Resolver) -> None:
    def forgeries(query: dns.message.Message) -> list[bytes]:
        good = dns.message.make_response(query)
        good.answer.append(dns.rrset.from_text("a.example.", 60, "IN", "A", "6.6.6.6"))
        wire = good.to_wire()
        wrong_id = bytes((wire[0] ^ 1,)) + wire[1:]
        no_answer = wire[:2] + b"\x01\x00" + wire[4:]
        return [wrong_id, no_answer, wire.replace(b"\x01a\x07", b"\x01b\x07"), b"", wire[:20], wire[:-3]]

    name_server.before = forgeries
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    assert await resolver.resolve("a.example") == ("1.1.1.1",)


async def test_an_answer_is_kept_for_its_time_to_live(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    await resolver.resolve("a.example")
    name_server.records["a.example"] = {"A": ["2.2.2.2"]}
    assert await resolver.resolve("a.example") == ("1.1.1.1",)


async def test_no_answer_is_kept_longer_than_five_minutes(name_server: NameServer, resolver: Resolver) -> None:
    name_server.ttl_seconds = 86_400
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    await resolver.resolve("a.example")
    assert resolver._kept["a.example"].expires_at <= asyncio.get_running_loop().time() + 300


async def test_an_answer_without_time_to_live_is_not_kept(name_server: NameServer, resolver: Resolver) -> None:
    name_server.ttl_seconds = 0
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    await resolver.resolve("a.example")
    name_server.records["a.example"] = {"A": ["2.2.2.2"]}
    assert await resolver.resolve("a.example") == ("2.2.2.2",)


async def test_a_failure_is_not_kept(name_server: NameServer, resolver: Resolver) -> None:
    await failure(resolver, "a.example")
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    assert await resolver.resolve("a.example") == ("1.1.1.1",)


async def test_the_number_of_kept_answers_is_bounded(
    name_server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes.wire.resolver, "_MAX_KEPT", 3)
    name_server.records = {f"{number}.example": {"A": ["1.1.1.1"]} for number in range(5)}
    for name in name_server.records:
        await resolver.resolve(name)
    assert list(resolver._kept) == ["2.example", "3.example", "4.example"]


async def test_lookups_of_the_same_name_share_their_queries(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    await asyncio.gather(*(resolver.resolve("a.example") for _ in range(50)))
    assert name_server.asked == {"a.example A": 1, "a.example AAAA": 1}


async def test_a_lookup_survives_the_first_who_asked(name_server: NameServer, resolver: Resolver) -> None:
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    name_server.delay_seconds = {"A": 0.05}
    first = asyncio.create_task(resolver.resolve("a.example"))
    await asyncio.sleep(0)
    second = asyncio.create_task(resolver.resolve("a.example"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ("1.1.1.1",)


async def test_a_lookup_that_fails_when_nobody_waits_any_more_is_no_error(
    name_server: NameServer, resolver: Resolver
) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    name_server.delay_seconds = {"A": 0.02, "AAAA": 0.02}
    asker = asyncio.create_task(resolver.resolve("a.example"))
    await asyncio.sleep(0.005)
    asker.cancel()
    await asyncio.wait(resolver._lookups.values())
    await asyncio.sleep(0)
    gc.collect()
    assert not errors


async def test_queries_cannot_be_guessed(name_server: NameServer, resolver: Resolver) -> None:
    for number in range(8):
        await failure(resolver, f"{number}.example")
    assert len(set(name_server.ids)) > 8


async def test_silent_names_do_not_hold_up_others(name_server: NameServer, resolver: Resolver) -> None:
    name_server.silent = {f"hole{number}.example" for number in range(100)}
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    holes = [asyncio.create_task(resolver.resolve(name)) for name in name_server.silent]
    await asyncio.sleep(0)
    async with asyncio.timeout(0.5):
        assert await resolver.resolve("a.example") == ("1.1.1.1",)
    for hole in holes:
        hole.cancel()


async def test_localhost_never_leaves_the_machine(name_server: NameServer, resolver: Resolver) -> None:
    for name in ("localhost", "LOCALHOST.", "app.localhost"):
        assert await resolver.resolve(name) == ("127.0.0.1", "::1")
    assert not name_server.asked


async def test_the_hosts_file_goes_first(name_server: NameServer, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# comment\n2606:4700::9 a.example # more\n10.0.0.9 b A.example\nfe80::1%lo a.example\nnonsense\n")
    resolver = Resolver(NameService((name_server.endpoint,)), hosts=hosts)
    assert await resolver.resolve("a.example") == ("10.0.0.9", "2606:4700::9")
    assert await resolver.resolve("b") == ("10.0.0.9",)


@pytest.mark.parametrize(
    "host", ["a..example", ".example", "a b.example", "a%20b.example", "a/b", "x" * 64, "a." * 130, "a\0b", "ü" * 64]
)
async def test_what_is_no_name_is_not_asked_for(name_server: NameServer, resolver: Resolver, host: str) -> None:
    assert await failure(resolver, host) == "the host is not a valid name"
    assert not name_server.asked


async def test_short_names_are_looked_for_in_the_search_list_first(name_server: NameServer) -> None:
    resolver = Resolver(NameService((name_server.endpoint,), search=("shop.svc.local", "svc.local"), ndots=5))
    name_server.records["db.svc.local"] = {"A": ["10.0.0.1"]}
    name_server.records["db"] = {"A": ["10.0.0.2"]}
    assert await resolver.resolve("db") == ("10.0.0.1",)


async def test_a_name_without_addresses_is_not_said_to_be_missing_under_a_suffix(name_server: NameServer) -> None:
    resolver = Resolver(NameService((name_server.endpoint,), search=("svc.local",)))
    name_server.records["mail.example"] = {}
    assert await failure(resolver, "mail.example") == "mail.example has no A and no AAAA record"


async def test_a_suffix_whose_name_server_fails_does_not_hide_the_name(name_server: NameServer) -> None:
    resolver = Resolver(NameService((name_server.endpoint,), search=("svc.local",), ndots=5))
    name_server.broken.add("a.example.svc.local")
    name_server.records["a.example"] = {"A": ["1.1.1.1"]}
    assert await resolver.resolve("a.example") == ("1.1.1.1",)


async def test_a_name_server_that_fails_on_the_way_is_said_rather_than_a_missing_name(name_server: NameServer) -> None:
    resolver = Resolver(NameService((name_server.endpoint,), search=("svc.local",), ndots=5))
    name_server.broken.add("db.svc.local")
    assert await failure(resolver, "db") == "the name server answered SERVFAIL for db.svc.local"


async def test_a_name_that_no_search_finds_is_named_as_it_was_given(name_server: NameServer) -> None:
    resolver = Resolver(NameService((name_server.endpoint,), search=("svc.local",), ndots=5))
    assert await failure(resolver, "db.shop") == "NXDOMAIN for db.shop: the name does not exist"
