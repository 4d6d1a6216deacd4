"""Which addresses may be dialed, in every spelling that means them."""

import pytest

from probes.egress import EgressPolicy, require_allowed, require_plain_host
from probes.failures import TargetBlockedError
from tocsin.domain.observations import Reason

SHARED = EgressPolicy(allow_private=False)
PRIVATE = EgressPolicy(allow_private=True)

PRIVATE_ADDRESSES = [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "0:0:0:0:0:0:0:1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "198.18.0.1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
]

NEVER = [
    # metadata services of clouds
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "fd00:ec2::254",
    "fd20:ce::254",
    "168.63.129.16",
    "::ffff:168.63.129.16",
    "64:ff9b::a83f:8110",
    "100.100.100.200",
    "192.0.0.192",
    # link-local
    "169.254.0.1",
    "169.254.170.2",
    "fe80::1",
    "fe80::1%lo",
    "::1%lo",
    # unspecified
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    # multicast, broadcast
    "224.0.0.1",
    "239.255.255.255",
    "ff02::1",
    "255.255.255.255",
    # reserved, documentation
    "240.0.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "fec0::1",
    "4000::1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    # translated and tunnelled
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "192.88.99.1",
]

PUBLIC = [
    "93.184.215.14",
    "1.1.1.1",
    "100.128.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "2a00:1450::1",
    "64:ff9b::101:101",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_always_allowed(address: str) -> None:
    require_allowed(address, 443, SHARED)
    require_allowed(address, 443, PRIVATE)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_private_addresses_are_a_policy_of_the_installation(address: str) -> None:
    require_allowed(address, 443, PRIVATE)
    with pytest.raises(TargetBlockedError, match="TOCSIN_ALLOW_PRIVATE_TARGETS"):
        require_allowed(address, 443, SHARED)


@pytest.mark.parametrize("policy", [SHARED, PRIVATE])
@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_allowed(address: str, policy: EgressPolicy) -> None:
    with pytest.raises(TargetBlockedError, match="never probed") as caught:
        require_allowed(address, 443, policy)
    assert caught.value.reason is Reason.TARGET_BLOCKED


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES + NEVER)
def test_a_refusal_does_not_tell_the_address(address: str) -> None:
    with pytest.raises(TargetBlockedError) as caught:
        require_allowed(address, 443, SHARED)
    assert address not in caught.value.message


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
@pytest.mark.parametrize("refused", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_the_platforms_own_servers_are_refused_in_every_spelling(address: str, refused: str) -> None:
    policy = EgressPolicy(allow_private=True, refused=frozenset({(refused, 5432)}))
    with pytest.raises(TargetBlockedError, match="this platform itself"):
        require_allowed(address, 5432, policy)
    require_allowed(address, 5433, policy)


def test_a_public_server_of_the_platform_is_refused_behind_nat64_too() -> None:
    policy = EgressPolicy(allow_private=True, refused=frozenset({("1.1.1.1", 5432)}))
    with pytest.raises(TargetBlockedError):
        require_allowed("64:ff9b::1.1.1.1", 5432, policy)


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::ffff:127.0.0.1"])
def test_a_listener_on_all_addresses_is_refused_on_each_of_this_machine(wildcard: str, address: str) -> None:
    policy = EgressPolicy(allow_private=True, refused=frozenset({(wildcard, 8000)}))
    with pytest.raises(TargetBlockedError):
        require_allowed(address, 8000, policy)


def test_a_listener_on_all_addresses_refuses_no_other_machine() -> None:
    policy = EgressPolicy(allow_private=True, refused=frozenset({("0.0.0.0", 8000)}))
    require_allowed("10.255.254.253", 8000, policy)
    require_allowed("127.0.0.1", 8001, policy)


def test_an_exception_is_reached_whatever_is_refused_otherwise() -> None:
    demo = frozenset({("127.0.0.1", 8081)})
    policy = EgressPolicy(allow_private=False, refused=demo | {("0.0.0.0", 8081)}, excepted=demo)
    require_allowed("127.0.0.1", 8081, policy)
    with pytest.raises(TargetBlockedError):
        require_allowed("127.0.0.1", 8082, policy)
    with pytest.raises(TargetBlockedError):
        require_allowed("127.0.0.2", 8081, policy)


@pytest.mark.parametrize("port", [-1, 0, 65_536, 65_536 + 5432])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(TargetBlockedError):
        require_allowed("93.184.215.14", port, SHARED)


def test_a_policy_takes_addresses_alone() -> None:
    with pytest.raises(ValueError, match="localhost"):
        EgressPolicy(allow_private=True, refused=frozenset({("localhost", 5432)}))


DISGUISED = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.0.0.01",
    "127.0.0.0x1",
    "1.2.3.4.5",
    "256.256.256.256",
    "127.0.0.",
    "0x",
    "foo.0x7f",
    "１２７.0.0.1",  # noqa: RUF001
    "127。0。0。1",
    "①②⑦.0.0.1",
    "0x7ｆ.1",  # noqa: RUF001
]


@pytest.mark.parametrize("host", DISGUISED)
def test_addresses_in_disguise_are_refused(host: str) -> None:
    with pytest.raises(TargetBlockedError, match="unusual spelling"):
        require_plain_host(host)


@pytest.mark.parametrize("host", ["example.com", "1.example.com", "127.0.0.1", "a1", "0xyz.dev", "1e100.net", "x.0a"])
def test_names_and_plain_addresses_are_no_disguise(host: str) -> None:
    require_plain_host(host)
