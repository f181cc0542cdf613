"""What read-only tokens see of an endpoint's URL."""

from __future__ import annotations

import pytest

from schemas.endpoints.url_masking import looks_secret, masked_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://shop.example/payments", "https://shop.example/payments"),
        ("https://shop.example:8443/v1/payments/webhook/", "https://shop.example:8443/v1/payments/webhook/"),
        ("https://shop.example/hook?key=s3cret&x=1", "https://shop.example/hook?***"),
        ("https://shop.example/hook?", "https://shop.example/hook?***"),
        ("https://shop.example?key=s3cret", "https://shop.example?***"),
        ("https://chat.example/services/T024BE7LD/B7Q3K9XZ1/xoJ5RzsAbCdEfGhIjKlMnOpQ", "https://chat.example/services/***/***/***"),
        ("https://api.example/bot123456:AAF-x9Kd83jd92kdkeoq/send", "https://api.example/***/send"),
        ("https://hooks.example/550e8400-e29b-41d4-a716-446655440000", "https://hooks.example/***"),
        ("https://hooks.example/a%2F8f14e45fceea167a5a36dedd4bea2543/in", "https://hooks.example/***/in"),
        ("http://[::1]:9/hook", "http://[::1]:9/hook"),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Host and words of the path stay, so that people know which endpoint it is."""
    assert masked_url(url) == shown


@pytest.mark.parametrize(
    "segment",
    ["webhook", "v2", "payments", "order-paid", "orderPaidWebhook", "iamport_callback", "orders2024", "web3", "결제"],
)  # fmt: skip
def test_names_are_no_secrets(segment: str) -> None:
    """What people write to tell paths apart is shown."""
    assert not looks_secret(segment)


@pytest.mark.parametrize(
    "segment",
    [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "8f14e45f", "20041123990", "eyJhbGciOiJIUzI1NiJ9", "aZbYcXdWeVfU",
        "xxxxxxxxxxxxxxxxxxxxxxxx", "token-9f8e7d6c5b",
    ],
)  # fmt: skip
def test_tokens_are_secrets(segment: str) -> None:
    """Random letters and digits, long numbers and long runs are not shown."""
    assert looks_secret(segment)
