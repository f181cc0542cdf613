"""Tokens as operators see them."""

from __future__ import annotations

import hashlib

from tests.console.conftest import METRICS_ONLY, READ_ONLY, TOKEN, Console
from tests.console.web.conftest import Reader
from tests.support.clients import http_client


def print_of(token: str) -> str:
    """A token's fingerprint."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


async def test_tokens_are_listed_by_fingerprint_and_last_use(console: Console) -> None:
    """Whatever they were used for, metrics included; the tokens themselves are never shown."""
    async with http_client(console.url, headers={"authorization": f"Bearer {METRICS_ONLY}"}) as scraper:
        assert (await scraper.get("/metrics")).status_code == 200
    answer = await console.call("GET", "/v1/tokens")
    tokens = answer.json()["data"]
    assert [(token["fingerprint"], token["rights"]) for token in tokens] == [
        (print_of(TOKEN), "write"), (print_of(READ_ONLY), "read"), (print_of(METRICS_ONLY), "metrics"),
    ]  # fmt: skip
    assert [token["last_used_at"] is not None for token in tokens] == [True, False, True]
    assert [token["actor"] for token in tokens] == [token["fingerprint"][:8] for token in tokens]
    for token in (TOKEN, READ_ONLY, METRICS_ONLY):
        assert token not in answer.text


async def test_pages_count_as_use(console: Console) -> None:
    """Of the token that the session began with."""
    async with http_client(console.url) as client:
        await Reader(client).sign_in(READ_ONLY)
        page = await client.get("/settings")
    assert print_of(READ_ONLY)[:8] in page.text
    assert print_of(TOKEN) not in page.text
    tokens = (await console.call("GET", "/v1/tokens")).json()["data"]
    assert [token["last_used_at"] is not None for token in tokens] == [True, True, False]
