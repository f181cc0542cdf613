"""Who may read `/metrics`: this machine, and clients with a token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runtime.api_tokens import ApiTokens
from runtime.proxies import parse
from runtime.setting_values import ApiToken

_OF_PROXIES = (b"x-forwarded-for", b"forwarded")


class MetricsAccess:
    """Access for this machine and for the holders of these tokens, whatever their rights."""

    def __init__(self, tokens: Iterable[ApiToken]) -> None:
        self._tokens = ApiTokens(tokens)

    def admits(self, scope: Mapping[str, Any]) -> bool:
        """Whether the request of this ASGI scope may read them."""
        return is_local(scope) or self._has_token(scope)

    def _has_token(self, scope: Mapping[str, Any]) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return self._tokens.caller(given.decode("latin-1")) is not None


def is_local(scope: Mapping[str, Any]) -> bool:
    """Whether the request of this ASGI scope comes from this machine itself, not through a proxy on it."""
    if scope.get("client") is None or any(name in _OF_PROXIES for name, _ in scope["headers"]):
        return False
    address = parse(scope["client"][0])
    return address is not None and address.is_loopback
