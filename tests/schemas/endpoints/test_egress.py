"""No spelling of an inside address gets through, and public ones do."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.endpoints.egress import check_url, forbidden, spelled
from schemas.errors import Invalid
from tests.support.reasons import said

INSIDE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
insiders = st.sampled_from([ip_network(network) for network in INSIDE]).flatmap(
    lambda network: st.integers(int(network.network_address), int(network.broadcast_address)).map(IPv4Address)
)


def spellings(address: IPv4Address) -> list[str]:
    """Ways to write an IPv4 address that some resolver understands."""
    number = int(address)
    a, b, c, d = address.packed
    return [
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{number & 0xFFFF}",
        f"0x{a:x}.0{b:o}.{c}.{d}",
        f"0{a:o}.0x{b:X}.{c}.0{d:o}",
        f"::ffff:{address}",
        f"[::ffff:{address}]",
        f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}",
        f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}",
        f"64:ff9b:1::{number >> 16:x}:{number & 0xFFFF:x}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"::{number >> 16:x}:{number & 0xFFFF:x}",
        f"2001:0:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"2606:4700::5efe:{number >> 16:x}:{number & 0xFFFF:x}",
        f"2606:4700::200:5efe:{number >> 16:x}:{number & 0xFFFF:x}",
        f"fe80::5efe:{number >> 16:x}:{number & 0xFFFF:x}%eth0",
    ]


@given(insiders, st.integers(0, 18))
def test_every_spelling_is_forbidden(address: IPv4Address, index: int) -> None:
    """However an inside address is written, it is forbidden, as an address and in a URL."""
    spelling = spellings(address)[index]
    assert forbidden(spelling) is not None
    host = spelling.strip("[]")
    for ending in ("", ".", "%20"):
        with pytest.raises(Invalid):
            check_url(f"https://[{host}]{ending}/" if ":" in host else f"https://{host}{ending}/")


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "100::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
        "192.88.99.1",
        "168.63.129.16",
        "255.255.255.255",
        "shop.example",
        "",
        "1.2.3.4.5",
        "1.2.3.256",
        "0x100000000",
        "08.8.8.8",
    ],
)
def test_forbidden(address: str) -> None:
    """Addresses that are not public, and what is no address, are forbidden with a reason."""
    assert said(forbidden(address)).startswith("forbidden address ")


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "52.78.100.19",
        "2606:4700:4700::1111",
        "2400:cb00::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "[2606:4700:4700::1111]",
        "134744072",
    ],
)
def test_permitted(address: str) -> None:
    """Public addresses pass, also in the forms that lead to public IPv4."""
    assert forbidden(address) is None


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_any_ipv6(address: IPv6Address) -> None:
    """An IPv6 address outside global unicast never passes, whatever it is, unless public IPv4 is behind it."""
    if forbidden(str(address)) is None and not address.ipv4_mapped and address not in IPv6Network("64:ff9b::/96"):
        assert address in IPv6Network("2000::/3")
        assert address.is_global


@given(st.text(max_size=50))
def test_any_text(text: str) -> None:
    """Whatever is given as an address gets an answer; only an address can pass."""
    assert forbidden(text) is not None or spelled(text) is not None


def test_allowed_networks() -> None:
    """Listed networks may be reached, in every form of their addresses; others stay forbidden."""
    networks: tuple[IPv4Network | IPv6Network, ...] = (IPv4Network("10.8.0.0/16"), IPv6Network("fd12::/16"))
    for address in ("10.8.1.1", "::ffff:10.8.1.1", "64:ff9b::a08:101", "fd12::1"):
        assert forbidden(address, networks) is None
    for address in ("10.9.0.1", "127.0.0.1", "fd13::1", "::ffff:10.9.0.1"):
        assert forbidden(address, networks) is not None
    assert check_url("https://10.8.0.1/", networks).host == "10.8.0.1"
    with pytest.raises(Invalid, match="https"):
        check_url("http://10.8.0.1/", networks)


def test_allowed_loopback() -> None:
    """A listed loopback network lets `localhost` pass as well."""
    assert check_url("https://localhost:9000/", (IPv4Network("127.0.0.0/8"),)).port == 9000


@pytest.mark.parametrize(
    "url",
    ["http://localhost:9000/", "http://127.0.0.1/", "https://[::1]:1/", "http://10.0.0.1/", "http://shop.example/"],
)
def test_all_allowed(url: str) -> None:
    """RELAY_ALLOW_PRIVATE_ENDPOINTS lets any well-formed target pass, plain http too; without it none of these does."""
    assert str(check_url(url, (), allow_private=True)) == url
    assert forbidden("127.0.0.1", (), allow_private=True) is None
    with pytest.raises(Invalid):
        check_url(url)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "shop.localhost",
        "a.b.localhost.",
        "ip6-localhost",
        "localhost.localdomain",
        "127.0.0.1.",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "１２７.0.0.1",
        "127%2e0%2e0%2e1",
        "loc%61lhost",
        "0x7f.1",
        "0",
        "shop.example.0x7f",
        "shop.1",
        "1.2.3.4.5",
        "shop..example",
        ".shop.example",
        "x" * 64 + ".example",
        "x." * 127 + "example",
        "[fe80::1%25eth0]",
        "[::ffff:7f00:1]",
    ],
)
def test_forbidden_hosts(host: str) -> None:
    """Names for this machine, and hosts that one parser could take for an address and another not, are refused."""
    with pytest.raises(Invalid) as caught:
        check_url(f"https://{host}/")
    assert caught.value.field == "url"


@pytest.mark.parametrize(
    "host", ["shop.example", "shop.example.", "가게.한국", "xn--h32b.example", "a_b.example", "8.8.8.8"]
)
def test_public_hosts(host: str) -> None:
    """Names and public addresses over https pass."""
    assert check_url(f"https://{host}/hook").scheme == "https"


def test_reason() -> None:
    """The reason names the address that packets would have gone to, and what it is."""
    assert said(forbidden("::ffff:10.0.0.1")) == "forbidden address 10.0.0.1 (private)"
    assert said(forbidden("2130706433")) == "forbidden address 127.0.0.1 (loopback)"
    with pytest.raises(Invalid, match=r"leads to a forbidden address 127\.0\.0\.1 \(loopback\)"):
        check_url("https://0x7f.1/")
