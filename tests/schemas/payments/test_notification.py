"""What is read out of a webhook's body."""

from __future__ import annotations

import json
import random
import re
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadNotification, UnsupportedContentType
from schemas.payments.extra import EXTRA_BYTES
from schemas.payments.notification import WebhookFields, new_id, parse

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def body(**fields: Any) -> bytes:
    """A JSON webhook with these fields besides its imp_uid."""
    return json.dumps({"imp_uid": "imp_1", **fields}).encode()


def test_reads_json_as_imports_sends_it() -> None:
    """The four fields of a JSON webhook are read."""
    fields = {"merchant_uid": "order_1", "status": "cancelled", "cancellation_id": "c-1"}
    assert parse(body(**fields), JSON) == WebhookFields("imp_1", "order_1", "cancelled", "c-1")


def test_reads_a_form_as_imports_sends_it() -> None:
    """The same fields as a form give the same result."""
    form = urlencode({"imp_uid": "imp_1", "merchant_uid": "주문 1", "status": "paid"}).encode()
    assert parse(form, FORM) == WebhookFields("imp_1", "주문 1", "paid")


@pytest.mark.parametrize(
    "content_type", ["Application/JSON", "application/json; charset=utf-8", ' application/json ;x="']
)
def test_the_content_type_is_read_by_its_media_type(content_type: str) -> None:
    """Case, blanks and parameters of a content type do not matter."""
    assert parse(body(), content_type).imp_uid == "imp_1"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "multipart/form-data; boundary=x", "application/jsonp", ";"]
)
def test_other_content_types_are_refused(content_type: str) -> None:
    """Only the content types of JSON and forms are accepted, whatever the body is."""
    with pytest.raises(UnsupportedContentType):
        parse(body(), content_type)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"imp_1"',
        b'[{"imp_uid":"imp_1"}]',
        b'{"imp_uid":"imp_1"}x',
        b'{"imp_uid":"imp_1","x":NaN}',
        b'{"imp_uid":"imp_1","x":-Infinity}',
        b'{"imp_uid":"imp_1","x":1e99999999999999999999}',
        b'{"imp_uid":"imp_1","x":"\xff"}',
        '{"imp_uid":"imp_1"}'.encode("utf-16"),
        b'{"imp_uid":"imp_1","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"imp_uid":"imp_1"',
    ],
)
def test_json_that_does_not_parse_is_refused(data: bytes) -> None:
    """What is not one JSON object in UTF-8 is a bad notification, never another error."""
    with pytest.raises(BadNotification):
        parse(data, JSON)


@pytest.mark.parametrize(
    "imp_uid",
    [
        "",
        "a" * 33,
        "status/all",
        "imp 1",
        "imp_1\n",
        "imp_1\0",
        "../x",
        "imp%5f1",
        "imp_１",
        "\ud800",
        1,
        1.5,
        True,
        None,
        [],
        {},
    ],
)
def test_an_imp_uid_that_could_reach_another_path_is_refused(imp_uid: object) -> None:
    """An imp_uid is 1 to 32 ASCII letters, digits, underscores and hyphens, as a string."""
    with pytest.raises(BadNotification):
        parse(body(imp_uid=imp_uid), JSON)


@pytest.mark.parametrize(
    "form", [b"", b"&&&", b"imp_uid", b"imp_uid=", b"imp_uid=a%00", b"imp_uid=%ff", b"IMP_UID=a", b"imp_uid=a%2Fb"]
)
def test_a_form_without_a_usable_imp_uid_is_refused(form: bytes) -> None:
    """A form needs an imp_uid just as JSON does."""
    with pytest.raises(BadNotification):
        parse(form, FORM)


def test_numbers_become_their_text() -> None:
    """Optional fields sent as numbers are kept digit for digit."""
    data = b'{"imp_uid":"a","merchant_uid":12345678901234567890123,"status":1.10,"cancellation_id":7}'
    assert parse(data, JSON) == WebhookFields("a", "12345678901234567890123", "1.10", "7")


@pytest.mark.parametrize("value", [None, "", "  ", True, [], {"a": 1}, "x" * 201])
def test_optional_fields_of_no_use_count_as_absent(value: object) -> None:
    """Null, blank, wrongly typed and over-long values are ignored, the webhook is not."""
    assert parse(body(merchant_uid=value, cancellation_id=value, status=value), JSON) == WebhookFields("imp_1")


def test_characters_that_do_not_print_are_replaced() -> None:
    """Controls and lone surrogates in optional fields become U+FFFD, so that they harm no terminal and no codec."""
    claim = parse(body(merchant_uid="a\x00b\x1b[31m", status="\ud800x"), JSON)
    assert claim == WebhookFields("imp_1", "a\ufffdb\ufffd[31m", "\ufffdx")


def test_a_byte_order_mark_is_ignored() -> None:
    """A UTF-8 BOM in front of either kind of body changes nothing."""
    assert parse(b"\xef\xbb\xbf" + body(), JSON) == parse(b"\xef\xbb\xbfimp_uid=imp_1", FORM) == WebhookFields("imp_1")


@pytest.mark.parametrize("charset", ["euc-kr", "CP949", '"ks_c_5601-1987"', "utf-8"])
def test_korean_json_is_read_in_the_charset_that_its_sender_names(charset: str) -> None:
    """JSON is read as UTF-8; if it is not, in the charset of its content type."""
    text = '{"imp_uid":"imp_1","merchant_uid":"뷁 주문","amount":1004.10,"buyer_name":"홍길동"}'
    claim = WebhookFields("imp_1", "뷁 주문", extra='{"amount":1004.10,"buyer_name":"홍길동"}'.encode())
    assert parse(text.encode(), f"application/json; charset={charset}") == claim
    if charset != "utf-8":
        assert parse(text.encode("cp949"), f"application/json; charset={charset}") == claim


def test_broken_letters_in_korean_json_are_replaced() -> None:
    """Bytes that are not text in the named charset cost one letter, not the webhook."""
    claim = parse(b'{"imp_uid":"imp_1","merchant_uid":"\xff\xff"}', "application/json; charset=euc-kr")
    assert claim == WebhookFields("imp_1", "\ufffd\ufffd")


def test_the_first_of_equal_form_fields_wins() -> None:
    """A form's duplicate fields cannot replace what came first."""
    assert parse(b"imp_uid=a&imp_uid=b&status=paid&status=failed\r\n", FORM) == WebhookFields("a", None, "paid")


def test_badly_encoded_forms_keep_what_is_readable() -> None:
    """Bytes that are not text become U+FFFD; a declared Korean charset is honoured."""
    assert parse(b"imp_uid=a&merchant_uid=%ff%fe1", FORM).merchant_uid == "\ufffd\ufffd1"
    korean = b"imp_uid=a&merchant_uid=" + "주문".encode("euc-kr")
    assert parse(korean, f"{FORM}; charset=EUC-KR").merchant_uid == "주문"
    assert parse(korean, f"{FORM}; charset=unicode_escape").imp_uid == "a"


def test_unknown_fields_are_kept_as_written() -> None:
    """Other fields stay in order, and amounts in them keep their digits."""
    data = b'{"amount":1004.10,"imp_uid":"a","nested":{"x":[1,null]},"big":123456789012345678901234567890}'
    assert parse(data, JSON).extra == b'{"amount":1004.10,"nested":{"x":[1,null]},"big":123456789012345678901234567890}'
    assert parse(b"imp_uid=a&x=1&y=%EA%B0%80", FORM).extra == '{"x":"1","y":"가"}'.encode()


def test_a_long_text_among_unknown_fields_is_shortened() -> None:
    """What does not fit into 4 KiB as a whole is kept with its long texts cut, so that no short field is lost."""
    extra = orjson.loads(parse(body(c="z" * 9000, b="y", deep={"n": 1, "text": "가" * 5000}), JSON).extra)
    assert extra["b"] == "y"
    assert extra["deep"]["n"] == 1
    assert extra["c"].startswith("zzz")
    assert extra["c"].endswith("…")
    assert extra["deep"]["text"].endswith("가…")


def test_what_exactly_fits_is_kept_as_it_is() -> None:
    """The limit is exact: 4,096 bytes of JSON stay whole, one more is cut."""
    assert len(parse(body(a="x" * (EXTRA_BYTES - 8)), JSON).extra) == EXTRA_BYTES
    assert orjson.loads(parse(body(a="x" * (EXTRA_BYTES - 7)), JSON).extra)["a"].endswith("…")


def test_unknown_fields_beyond_all_room_are_left_out() -> None:
    """Of more fields than fit even when they are cut, those that came first and still fit are kept."""
    many = {f"field_{n:04}": "x" for n in range(1000)}
    extra = parse(body(**many, last="y"), JSON).extra
    assert len(extra) <= EXTRA_BYTES
    assert list(orjson.loads(extra))[:2] == ["field_0000", "field_0001"]


def test_long_lists_and_deep_values_are_cut() -> None:
    """A list that is too long ends with an ellipsis, and so does what nests too deeply for JSON's writer."""
    extra = orjson.loads(parse(body(rows=list(range(3000)), x="y"), JSON).extra)
    assert extra["rows"][:3] == [0, 1, 2]
    assert extra["rows"][-1] == "…"
    deep = b'{"imp_uid":"imp_1","deep":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b',"x":"y"}'
    extra = orjson.loads(parse(deep, JSON).extra)
    assert extra["x"] == "y"
    assert "…" in repr(extra["deep"])


def test_lone_surrogates_in_unknown_fields_are_replaced() -> None:
    """Half an emoji, which JSON can spell and UTF-8 cannot, costs its character only, in names and in values."""
    extra = orjson.loads(parse(body(x={"a\ud83d": ["b\ud83d"]}, y="ok", z="\ud83d\ude00"), JSON).extra)
    assert extra == {"x": {"a\ufffd": ["b\ufffd"]}, "y": "ok", "z": "\U0001f600"}


def test_nul_in_unknown_fields_is_kept() -> None:
    """A NUL is a character of JSON like any other."""
    assert orjson.loads(parse(body(x="a\0b"), JSON).extra) == {"x": "a\0b"}


@pytest.mark.parametrize(
    ("form", "extra"),
    [
        ("extra[escrow_status]=4&extra[changed_at]=17", {"extra": {"escrow_status": "4", "changed_at": "17"}}),
        ("extra%5Bescrow_status%5D=4", {"extra": {"escrow_status": "4"}}),
        ("a[b][c]=1&a[b][d]=2&a[e]=3", {"a": {"b": {"c": "1", "d": "2"}, "e": "3"}}),
        ("a[]=1&a[]=2&a[]=1", {"a": ["1", "2", "1"]}),
        ("a[1]=x&a[]=y", {"a": {"1": "x", "2": "y"}}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[0][n]=x&a[1][n]=y", {"a": [{"n": "x"}, {"n": "y"}]}),
        ("a[1]=x&a[3]=y", {"a": {"1": "x", "3": "y"}}),
        ("a[b]=1&a[b]=2", {"a": {"b": "1"}}),
        ("a=x&a[b]=1", {"a": "x", "a[b]": "1"}),
        ("a=&a[b]=1&a=z", {"a": {"b": "1"}}),
        ("a[b]=1&a=x", {"a": {"b": "1"}}),
        ("a[b=1&[c]=2&d]=3&e[f]g=4", {"a[b": "1", "[c]": "2", "d]": "3", "e[f]g": "4"}),
        ("a" + "[b]" * 20 + "=1", {"a" + "[b]" * 20: "1"}),
    ],
)  # fmt: skip
def test_bracketed_names_of_a_form_nest(form: str, extra: object) -> None:
    """A form's `extra[escrow_status]=4` comes out as JSON's `{"extra": {"escrow_status": "4"}}`."""
    assert orjson.loads(parse(f"imp_uid=a&{form}".encode(), FORM).extra) == extra


def test_brackets_take_nothing_from_the_usual_fields() -> None:
    """A bracketed imp_uid or status is a field of its own: the plain one counts."""
    claim = parse(b"imp_uid[]=x&imp_uid=a&status[y]=z&status=paid", FORM)
    assert (claim.imp_uid, claim.status) == ("a", "paid")
    assert orjson.loads(claim.extra) == {"imp_uid[]": "x", "status[y]": "z"}


def test_a_korean_form_nests_too() -> None:
    """Brackets and EUC-KR go together."""
    form = b"imp_uid=a&extra[denied_reason]=" + "단순 변심".encode("euc-kr").replace(b" ", b"+")
    assert orjson.loads(parse(form, f"{FORM}; charset=euc-kr").extra) == {"extra": {"denied_reason": "단순 변심"}}


def test_errors_do_not_quote_the_body() -> None:
    """Buyers' data in a refused body reaches no error text."""
    for data in (b'{"buyer_name":"Hong Gildong"}', b"Hong Gildong"):
        with pytest.raises(BadNotification) as caught:
            parse(data, JSON)
        assert "Hong" not in str(caught.value)
        assert caught.value.__cause__ is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
fields = st.dictionaries(
    st.sampled_from(["imp_uid", "merchant_uid", "status", "cancellation_id", "x"]) | st.text(max_size=5),
    st.from_regex(r"\A[A-Za-z0-9_-]{1,40}\Z") | json_values,
)
bodies = (
    st.binary()
    | fields.map(lambda f: json.dumps(f).encode())
    | fields.map(lambda f: urlencode({k: str(v) for k, v in f.items()}, errors="replace").encode())
    | st.binary().map(lambda tail: b"imp_uid=imp_1&" + tail)
    | st.binary().map(lambda tail: b'{"imp_uid":"imp_1",' + tail)
)
content_types = st.sampled_from([JSON, FORM, f"{FORM}; charset=euc-kr"]) | st.text(max_size=20)


@given(bodies, content_types)
def test_any_bytes_give_fields_or_one_of_two_errors(data: bytes, content_type: str) -> None:
    """No body causes another error; all fields are within their limits, printable and in UTF-8."""
    try:
        claim = parse(data, content_type)
    except (BadNotification, UnsupportedContentType):
        return
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", claim.imp_uid)
    for text in (claim.merchant_uid, claim.status, claim.cancellation_id):
        assert text is None or (text and len(text) <= 200 and text.isprintable() and text.encode())
    assert len(claim.extra) <= EXTRA_BYTES
    assert not claim.extra or isinstance(json.loads(claim.extra), dict)
    assert parse(data, content_type) == claim


def test_ids_have_their_shape_and_sort_by_time() -> None:
    """An id is `ntf_` and 26 base32 characters, and a later one sorts behind an earlier one."""
    rng = random.Random(1)
    ids = [new_id(now / 1000, rng) for now in range(1_790_000_000_000, 1_790_000_000_500)]
    assert all(re.fullmatch(r"ntf_[0-9a-hjkmnp-tv-z]{26}", ntf) for ntf in ids)
    assert ids == sorted(ids)
    assert new_id(-5.0, rng).startswith("ntf_0000000000")


def test_ids_of_one_moment_differ() -> None:
    """Notifications of one millisecond do not share an id."""
    rng = random.Random(2)
    assert len({new_id(1_790_000_000.0, rng) for _ in range(10_000)}) == 10_000
