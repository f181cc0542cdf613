"""How the text of one environment variable becomes a value. Every function raises `ValueError` for unusable text."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from runtime import proxy_url
from runtime.redis_url import RedisUrlError
from runtime.redis_url import parse as parse_redis_url
from schemas.durations import parse_duration

Network = IPv4Network | IPv6Network
Rights = Literal["write", "read", "metrics"]
"""What a token may do: everything, read, or fetch /metrics and nothing else."""

_MAPPED_BITS = 96
"""The prefix length of `::ffff:0:0/96`, which holds the IPv4 addresses inside IPv6."""
_SECRET = re.compile(r"KEY|SECRET|TOKEN")
_USER_WITHOUT_HOST = re.compile(r"://[^:/?#@\[]*:(?!\d{1,5}(?:[/?#,]|$)).*", re.DOTALL)
"""`user:secret` where a host and its port should be."""
_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_TOKEN = re.compile(r"[!-+\--9;-~]+")
_HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_RIGHTS: dict[str, Rights] = {"ro": "read", "metrics": "metrics"}


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token; ``holder`` is the name of the operator who has it, if the setting gives one."""

    value: SecretStr
    rights: Rights
    holder: str | None = None

    @property
    def fingerprint(self) -> str:
        """Names the token. It does not reveal a long token, but a short token could be guessed from it."""
        return hashlib.sha256(self.value.get_secret_value().encode()).hexdigest()[:32]

    @property
    def actor(self) -> str:
        """The name that people see for the token's user: the holder, else the first part of the fingerprint."""
        return self.holder or self.fingerprint[:8]


def shown(variable: str, value: str) -> str:
    """The value as an error may show it: one line, no secret, no password inside a URL."""
    if _SECRET.search(variable):
        return "***"
    text = _without_passwords(value)
    return text if len(text) <= 80 else text[:79] + "…"


def shown_path(variable: str, path: str) -> str:
    """The path of a variable's file as an error may show it. A path without a slash may be the secret itself."""
    return "***" if _SECRET.search(variable) and "/" not in path else _without_passwords(path)


def _without_passwords(value: str) -> str:
    text = re.sub(r"^.*@", "***@", value, flags=re.DOTALL)
    text = _USER_WITHOUT_HOST.sub("://***", text)
    text = re.sub(r"([?&](?:sentinel_)?password=).*", r"\1***", text, flags=re.IGNORECASE | re.DOTALL)
    return "".join(c if c.isprintable() else "?" for c in text)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")
    return value


def _parts(value: object) -> list[str]:
    parts = [part.strip() for part in _text(value).split(",")]
    if not all(parts):
        raise ValueError("an empty part between commas")
    return parts


def duration(value: object) -> float:
    """Seconds, 0 or more."""
    return parse_duration(_text(value))


def positive_duration(value: object) -> float:
    """Seconds, more than 0."""
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError("must be above zero")
    return seconds


def schedule(value: object) -> tuple[float, ...]:
    """Waits in seconds, each more than 0: the last may repeat for ever, and 0 would make it a busy loop."""
    return tuple(positive_duration(part) for part in _parts(value))


def switch(value: object) -> bool:
    """True or false, in any of the usual words."""
    try:
        return _SWITCHES[_text(value).lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


def word(value: object) -> str:
    """One of a few words, whether or not in capitals."""
    return _text(value).lower()


def networks(value: object) -> tuple[Network, ...]:
    """Addresses and networks; bits to the right of the mask are ignored. IPv4 inside IPv6 becomes IPv4, like the
    addresses that are compared with them."""
    return tuple(_network(part) for part in _parts(value))


def _network(text: str) -> Network:
    network = ip_network(text, strict=False)
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped is not None and network.prefixlen >= _MAPPED_BITS:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - _MAPPED_BITS))
    return network


def credential(value: object) -> str:
    """A line of printable text. Other characters are a sign of a wrong file or a wrong encoding."""
    text = _text(value)
    if not text.isprintable():
        raise ValueError("characters that do not print")
    return text


def directory(value: object) -> Path | None:
    """A path, or None for `off`."""
    text = _text(value)
    return None if text.lower() == "off" else Path(text)


def api_tokens(value: object) -> tuple[ApiToken, ...]:
    """Tokens of printable ASCII without spaces, commas and colons, each as `token`, `ro:token` or `metrics:token`, with
    `holder:` in front if it names its holder. A token cannot be given twice with different rights or names."""
    tokens: dict[str, ApiToken] = {}
    for part in _parts(value):
        *before, text = part.split(":")
        rights: Rights = _RIGHTS[before.pop()] if before and before[-1] in _RIGHTS else "write"
        holder = before.pop() if before else None
        known = holder is None or (_HOLDER.fullmatch(holder) is not None and holder not in _RIGHTS)
        token = ApiToken(SecretStr(text), rights, holder)
        if before or not known or not _TOKEN.fullmatch(text) or tokens.setdefault(text, token) != token:
            raise ValueError("not a usable token")
    return tuple(tokens.values())


def fernet_keys(value: object) -> tuple[SecretStr, ...]:
    """Keys as `cryptography.fernet.Fernet` takes them."""
    parts = _parts(value)
    for part in parts:
        if len(part) != 44 or len(base64.b64decode(part, altchars=b"-_", validate=True)) != 32:
            raise ValueError("not a Fernet key")
    return tuple(SecretStr(part) for part in parts)


def http_url(value: object) -> str:
    """An address to which paths are added: no query, no fragment, no slash at its end."""
    text = _text(value)
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.port == 0:
        raise ValueError("not an http address")
    return text.rstrip("/")


def http_proxy(value: object) -> str:
    """The address of an HTTP proxy: host and port, perhaps a user and a password (percent-encoded), nothing else."""
    text = _text(value)
    proxy_url.parse(text)
    return text.rstrip("/")


def redis_url(value: object) -> str:
    """A URL that `runtime.redis_url` understands."""
    text = _text(value)
    parse_redis_url(text)
    return text


def queue_url(value: object) -> str:
    """The same for the queue, which cannot be on a Cluster."""
    text = redis_url(value)
    if parse_redis_url(text).kind == "cluster":
        raise RedisUrlError("Dramatiq's queue cannot be on a Redis Cluster")
    return text
