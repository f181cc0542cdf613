"""Where callbacks may go: to public addresses over https, never into the relay's own network.

`check_url` checks the URL that an operator enters, `forbidden` checks each address just before a connection is made.
The second check is the one that protects: a name can resolve to any address, and to another one a moment later.
RELAY_ALLOW_PRIVATE_ENDPOINTS switches both checks off. RELAY_ALLOWED_ENDPOINT_NETWORKS allows addresses, but not http.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from schemas.endpoints.endpoint import checked_url
from schemas.errors import Invalid
from schemas.reasons import Reason

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")

_NAT64 = IPv6Network("64:ff9b::/96")
_MAPPED = IPv6Network("::ffff:0:0/96")

# Searched in this order; the word is a choice of `network` in schemas.reasons. All IPv6 outside 2000::/3 is refused,
# as it may be assigned to anything one day.
_INSIDE: tuple[tuple[Network, str], ...] = tuple(
    (IPv6Network(network) if ":" in network else IPv4Network(network), word)
    for network, word in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier_grade_nat"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link_local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.88.99.0/24", "6to4"),
        ("192.168.0.0/16", "private"),
        ("224.0.0.0/4", "multicast"),
        ("168.63.129.16/32", "metadata"),  # Azure's, at a public address that every machine there can reach
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "ipv4_compatible"),
        ("fe80::/10", "link_local"),
        ("fec0::/10", "site_local"),
        ("fc00::/7", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/32", "teredo"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def forbidden(address: str, allowed_networks: Iterable[Network] = (), allow_private: bool = False) -> Reason | None:
    """Why no callback may go to `address`, or None when it may.

    Understands every spelling of an address that a resolver or a URL could hold: dotted, decimal, octal and hexadecimal
    IPv4, IPv6 with or without brackets and zone. Anything else is refused: the relay connects to addresses only.
    """
    if allow_private:
        return None
    parsed = spelled(address)
    if parsed is None:
        return Reason.of("address_unreadable", address=address[:60])
    plain = _behind(parsed)
    if any(plain in network or parsed in network for network in allowed_networks):
        return None
    word = _inside(plain)
    return None if word is None else Reason.of("address_forbidden", address=str(plain), network=word)


def check_url(url: str, allowed_networks: Iterable[Network] = (), allow_private: bool = False) -> httpx.URL:
    """The parsed URL of an endpoint, if the URL alone gives no reason against calling it. Raises `Invalid`."""
    parsed = checked_url(url)
    host = parsed.raw_host.decode("ascii")
    if not re.fullmatch(r"[0-9a-z_.-]+|[0-9a-f:.]+", host) or ".." in host or host.startswith("."):
        raise Invalid("url", Reason.of("bad_host"))
    name = host.removesuffix(".")
    if len(name) > 253 or any(len(label) > 63 for label in name.split(".")):
        raise Invalid("url", Reason.of("host_too_long"))
    address = spelled(name)
    if address is None and _ends_in_number(name):
        raise Invalid("url", Reason.of("bad_host"))
    if not allow_private:
        if parsed.scheme != "https":
            raise Invalid("url", Reason.of("not_https"))
        is_here = name in _LOOPBACK_NAMES or name.endswith(".localhost")
        reason = forbidden("127.0.0.1" if is_here else name, allowed_networks) if is_here or address else None
        if reason is not None:
            raise Invalid("url", Reason.of("url_leads_inside", reason))
    if isinstance(address, IPv4Address) and host != str(address):
        raise Invalid("url", Reason.of("address_misspelt", address=str(address)))
    return parsed


def spelled(host: str) -> Address | None:
    """The address that `host` spells, or None when it is a name. IPv4 is read as `inet_aton` reads it: one to four
    parts, each decimal, octal (0…) or hexadecimal (0x…); the last part fills all remaining bytes."""
    host = host.removeprefix("[").removesuffix("]")
    try:
        return ip_address(host)
    except ValueError:
        pass
    parts = host.removesuffix(".").split(".")
    if len(parts) > 4:
        return None
    numbers = [_number(part) for part in parts]
    value = 0
    for index, number in enumerate(numbers):
        is_last = index == len(numbers) - 1
        room = 256 ** (5 - len(numbers)) if is_last else 256
        if number is None or number >= room:
            return None
        value = value * room + number
    return IPv4Address(value)


def _number(part: str) -> int | None:
    if re.fullmatch(r"0[xX][0-9a-fA-F]{0,30}", part, re.ASCII):
        return int(part[2:] or "0", 16)
    if re.fullmatch(r"0[0-7]{0,30}", part, re.ASCII):
        return int(part, 8)
    return int(part) if re.fullmatch(r"[1-9][0-9]{0,30}", part, re.ASCII) else None


def _ends_in_number(name: str) -> bool:
    """Whether a resolver could take this name for a misspelt IPv4 address (WHATWG URL, "ends in a number")."""
    last = name.rpartition(".")[2]
    return last.isdigit() or re.fullmatch(r"0[xX][0-9a-fA-F]*", last) is not None


def _behind(address: Address) -> Address:
    """The IPv4 address that packets to an IPv4-mapped or NAT64 address end up at, else the address itself."""
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address))  # without its zone
        if address in _MAPPED or address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _inside(address: Address) -> str | None:
    for network, word in _INSIDE:
        if address in network:
            return word
    if isinstance(address, IPv6Address):
        if address not in _GLOBAL_UNICAST:
            return "reserved"
        # ISATAP hides an IPv4 address behind this interface id (RFC 5214 §6.1), in any network.
        if (int(address) >> 32) & 0xFCFF_FFFF == 0x0000_5EFE:
            return "isatap"
    return None if address.is_global and not address.is_multicast else "reserved"
