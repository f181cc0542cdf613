"""Who may read /metrics."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from runtime.metrics_access import MetricsAccess, is_local
from runtime.setting_values import ApiToken

ACCESS = MetricsAccess([ApiToken(SecretStr("all"), "write"), ApiToken(SecretStr("few"), "metrics")])


def scope(address: str | None, **headers: str) -> dict[str, Any]:
    """An ASGI scope of a request from there."""
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"client": None if address is None else (address, 1), "headers": given}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_local_only_without_a_proxy_in_between(address: str) -> None:
    """A proxy on this machine, trusted or not, does not make the whole internet local."""
    assert is_local(scope(address))
    assert not is_local(scope(address, x_forwarded_for="127.0.0.1"))
    assert not is_local(scope(address, forwarded="for=127.0.0.1"))


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "testclient", "", None])
def test_other_machines_are_not(address: str | None) -> None:
    """Nor is a peer without an address."""
    assert not is_local(scope(address))
    assert not ACCESS.admits(scope(address))


@pytest.mark.parametrize(
    ("given", "admitted"),
    [
        ("Bearer all", True), ("bearer few", True), ("Bearer  few ", True), ("Basic few", False), ("Bearer fe", False),
        ("Bearer", False), ("few", False), ("", False),
    ],
)  # fmt: skip
def test_elsewhere_a_token_is_needed(given: str, admitted: bool) -> None:
    """Any token of the API, also one that is for metrics only."""
    assert ACCESS.admits(scope("10.0.0.1", authorization=given)) is admitted


def test_without_tokens_only_this_machine_may() -> None:
    """An empty header is no token."""
    assert not MetricsAccess([]).admits(scope("10.0.0.1", authorization="Bearer "))
    assert MetricsAccess([]).admits(scope("127.0.0.1"))
