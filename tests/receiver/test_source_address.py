"""Which address counts as the source of a webhook."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from receiver.source_address import UNKNOWN, SourceAddresses
from runtime.settings import Settings

PROXIES = [ip_network("10.0.0.0/8"), ip_network("127.0.0.1"), ip_network("fd00::/8")]


def test_without_trusted_proxies_the_connection_is_the_sender() -> None:
    """Any client can write an X-Forwarded-For, so it is believed only from trusted proxies."""
    sources = SourceAddresses([], [])
    sender = sources.of(("198.51.100.7", 1), b"52.78.100.19")
    assert (sender.address, sender.verified) == ("198.51.100.7", False)


@pytest.mark.parametrize(
    ("trail", "address"),
    [
        (b"52.78.100.19", "52.78.100.19"),
        (b"52.78.100.19, 203.0.113.9", "203.0.113.9"),
        (b"1.1.1.1,203.0.113.9, 10.1.2.3 ,10.9.9.9", "203.0.113.9"),
        (b"10.1.1.1, 10.2.2.2", "10.1.1.1"),
        (b"203.0.113.9:4711", "203.0.113.9"),
        (b"[2001:db8::1]:443", "2001:db8::1"),
        (b'"[2001:db8::1]"', "2001:db8::1"),
        (b"::ffff:203.0.113.9", "203.0.113.9"),
        (b"52.78.100.19, nonsense", UNKNOWN),
        (b"52.78.100.19, \xff\x00", UNKNOWN),
        (b"52.78.100.19,", UNKNOWN),
        (b"52.78.100.19," * 1000 + b"203.0.113.9, 10.1.2.3", "203.0.113.9"),
    ],
)
def test_behind_trusted_proxies_the_right_most_untrusted_hop_is_the_sender(trail: bytes, address: str) -> None:
    """What stands left of the first hop that is not a trusted proxy is hearsay, and so is what cannot be read."""
    assert SourceAddresses([], PROXIES).of(("10.0.0.1", 1), trail).address == address


def test_an_untrusted_peer_cannot_forward() -> None:
    """Trusted proxies are trusted for their own connections only."""
    assert SourceAddresses([], PROXIES).of(("203.0.113.9", 1), b"52.78.100.19").address == "203.0.113.9"


@pytest.mark.parametrize("address", ["52.78.100.19", "52.78.48.223", "52.78.5.241", "::ffff:52.78.5.241"])
def test_imports_addresses_are_verified(address: str) -> None:
    """i'mport's documented addresses count as i'mport, and are not limited."""
    sender = SourceAddresses([], []).of((address, 1), b"")
    assert sender.verified
    assert not sender.limited


def test_allowed_networks_are_verified_and_others_are_not_allowed() -> None:
    """RELAY_ALLOWED_IPS is the whole list: i'mport's own addresses are not on it by themselves."""
    sources = SourceAddresses([ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")], [])
    assert sources.of(("203.0.113.9", 1), b"").verified
    assert sources.of(("2001:db8::1", 1), b"").allowed
    assert not sources.of(("52.78.100.19", 1), b"").allowed
    assert not sources.of(("198.51.100.7", 1), b"").allowed
    assert not sources.of(None, b"").allowed


def test_a_sender_that_cannot_be_told_is_limited_and_not_verified() -> None:
    """Without a list every source may send, but an unknown address is not verified."""
    sender = SourceAddresses([], PROXIES).of(("10.0.0.1", 1), b"garbage")
    assert sender.allowed
    assert sender.limited
    assert not sender.verified


def test_one_customer_of_ipv6_shares_one_limit() -> None:
    """Addresses of one /64 are one source; IPv4 addresses are one each."""
    sources = SourceAddresses([], [])
    assert sources.of(("2001:db8::1", 1), b"").budget == sources.of(("2001:db8::ffff:2", 1), b"").budget
    assert sources.of(("198.51.100.7", 1), b"").budget != sources.of(("198.51.100.8", 1), b"").budget


def test_ipv4_inside_ipv6_is_ipv4_in_settings_too() -> None:
    """A list copied from a log of a dual-stack proxy names the same machines."""
    settings = Settings.load(
        {"RELAY_ALLOWED_IPS": "::ffff:203.0.113.7", "RELAY_TRUSTED_PROXIES": "::ffff:10.0.0.0/104, fd00::/8"}
    )
    sources = SourceAddresses(settings.allowed_ips, settings.trusted_proxies)
    assert sources.of(("::ffff:10.1.2.3", 1), b"203.0.113.7").allowed
    assert sources.of(("10.1.2.3", 1), b"::ffff:203.0.113.7").allowed
    assert sources.of(("fd00::1", 1), b"203.0.113.7").allowed
    assert not sources.of(("11.1.2.3", 1), b"203.0.113.7").allowed
