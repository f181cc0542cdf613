"""What an operator may write about an endpoint, and which events it then gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.endpoints.endpoint import (
    ENDPOINT_TYPES,
    PAYMENT_TYPES,
    Endpoint,
    SealedSecret,
    checked_headers,
    checked_types,
    checked_url,
    new_id,
    new_secret,
    wants,
)
from schemas.errors import Invalid


@pytest.mark.parametrize(
    ("types", "event_type", "expected"),
    [
        (("payment.*",), "payment.paid", True),
        (("payment.*",), "endpoint.failing", False),
        (("payment.paid",), "payment.paid", True),
        (("payment.paid",), "payment.failed", False),
        (("payment.failed", "payment.paid"), "payment.paid", True),
        (("*",), "payment.amount_mismatch", True),
        (("*",), "endpoint.disabled", True),
        (("*",), "relay.test", False),
        ((), "payment.paid", False),
    ],
)
def test_wants(types: tuple[str, ...], event_type: str, expected: bool) -> None:
    """Exact names, all of a payment's, or everything but tests."""
    assert wants(types, event_type) is expected


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hook",
        "http://127.0.0.1:8080",
        "https://shop.example:8443/hook?a=1&b=%2F",
        "https://가게.한국/결제",
        "https://[2001:db8::1]:443/",
        "HTTPS://SHOP.EXAMPLE/",
        "https://shop.example/@me",
        "https://shop.example/?a@b",
    ],
)
def test_good_urls(url: str) -> None:
    """URLs of http and https with a host will do."""
    assert checked_url(url).raw_host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example/hook",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:shop.example",
        "https:///hook",
        "//shop.example",
        "https://user:word@shop.example/",
        "https://@shop.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/#part",
        "https://shop.example/#",
        "https://shop.example/ a",
        "https://shop.example/\r\nX: y",
        "https://shop.example:0/",
        "https://shop.example:65536/",
        "https://shop.example:x/",
        "https://[::1/",
        "https://☃/",
        "https://①②⑦.0.0.1/",
        "https://shop.example/" + "x" * 2048,
    ],
)
def test_bad_urls(url: str) -> None:
    """Anything else is refused, by the name of the field."""
    with pytest.raises(Invalid) as caught:
        checked_url(url)
    assert caught.value.field == "url"


@given(st.text(max_size=60), st.sampled_from(["", "https://", "http://", "https://[", "https://a:"]))
def test_any_url(text: str, start: str) -> None:
    """Whatever is written as a URL is parsed or refused, nothing else happens."""
    try:
        url = checked_url(start + text)
    except Invalid:
        return
    assert url.scheme in {"http", "https"}


def test_types() -> None:
    """Types are kept in order, each once."""
    assert checked_types(["payment.paid", "*", "payment.paid"]) == ("payment.paid", "*")
    assert checked_types([*PAYMENT_TYPES, *ENDPOINT_TYPES, "payment.*"])


@pytest.mark.parametrize("types", [[], ["relay.test"], ["payment.invented"], ["endpoint.*"], ["payment"], [""], ["**"]])
def test_bad_types(types: list[str]) -> None:
    """No types, or types that do not exist, are refused."""
    with pytest.raises(Invalid) as caught:
        checked_types(types)
    assert caught.value.field == "types"


def test_headers() -> None:
    """Names are kept in lower case, values as they are."""
    assert checked_headers({"Authorization": "Bearer x", "X-Empty": ""}) == {
        "authorization": "Bearer x",
        "x-empty": "",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "evil.example"),
        ("Webhook-Id", "x"),
        ("webhook-anything", "x"),
        ("Content-Length", "0"),
        ("content-type", "text/plain"),
        ("Content-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "x"),
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\r\nb", "x"),
        ("이름", "x"),
        ("a\n", "x"),
        ("x-a", "planted\r\nX-B: y"),
        ("x-a", "planted\n"),
        ("x-a", " planted"),
        ("x-a", "planted\t"),
        ("x-a", "plantéd"),
        ("x-a", "planted\x00"),
        ("x-a", "planted" * 2000),
    ],
)
def test_bad_headers(name: str, value: str) -> None:
    """Headers that are ours, or that could end the line early, are refused without repeating the value."""
    with pytest.raises(Invalid) as caught:
        checked_headers({name: value})
    assert caught.value.field.startswith("headers")
    assert "plant" not in str(caught.value)


def test_headers_given_twice() -> None:
    """Two spellings of one name are one name too many; so are more headers than a request should have."""
    with pytest.raises(Invalid):
        checked_headers({"X-A": "1", "x-a": "2"})
    with pytest.raises(Invalid):
        checked_headers({f"x-{n}": "1" for n in range(51)})


def test_ids_and_secrets() -> None:
    """Ids and secrets have the documented shapes and take enough randomness."""
    assert new_id(bytes(range(13))) == "ep_aaaqeayeaudaocajbifq"
    assert new_secret(b"\0" * 24) == "whsec_" + "A" * 32
    for make, entropy in ((new_id, b"short"), (new_secret, b"short"), (new_secret, b"x" * 65)):
        with pytest.raises(ValueError, match="random bytes"):
            make(entropy)


def test_repr_shows_nothing_sealed() -> None:
    """Even sealed secrets and headers stay out of logs."""
    endpoint = Endpoint(id="ep_1", merchant="m", url="u", headers="planted", secrets=(SealedSecret("planted"),))
    assert "planted" not in repr(endpoint)
