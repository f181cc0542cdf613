"""Why a body is refused: the likely cause, as a code and in words."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from schemas.errors import BadNotification
from schemas.payments.body_reasons import WORDS, BodyReason, words
from schemas.payments.notification import parse

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
V2 = {"type": "Transaction.Paid", "timestamp": "2024-04-25T10:00:00.000Z", "data": {"storeId": "s", "paymentId": "p"}}
OLD_V2 = {"tx_id": "55451513-9763", "payment_id": "order_1", "status": "Paid"}


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        (JSON, b"", "empty"), (JSON, b" \r\n", "empty"), (JSON, b"\xef\xbb\xbf", "empty"), (FORM, b"", "empty"),
        (FORM, b"\r\n", "empty"),
        (JSON, b"{", "not_json"), (JSON, b"hello", "not_json"), (JSON, b'{"imp_uid":"\xff"}', "not_json"),
        (JSON, b"[]", "not_an_object"), (JSON, b"null", "not_an_object"), (JSON, b'"imp_1"', "not_an_object"),
        (JSON, b"imp_uid=imp_1&status=paid", "form_sent_as_json"), (JSON, b"status=&imp_uid=", "form_sent_as_json"),
        (FORM, b'{"imp_uid":"imp_1"}', "json_sent_as_form"), (FORM, b' {"a":1}', "json_sent_as_form"),
        (JSON, json.dumps(V2).encode(), "version_2"), (JSON, json.dumps(OLD_V2).encode(), "version_2"),
        (FORM, json.dumps(V2).encode(), "version_2"), (FORM, b"tx_id=5545&payment_id=order_1&status=Paid", "version_2"),
        (JSON, b'{"type":"BillingKey.Issued","timestamp":"","data":{"billingKey":"b"}}', "version_2"),
        (JSON, b'{"type":"x","data":{"id":1}}', "no_imp_uid"), (JSON, b'{"data":{"paymentId":1}}', "no_imp_uid"),
        (JSON, b"{}", "no_imp_uid"), (JSON, b'{"imp_uid":null}', "no_imp_uid"), (JSON, b'{"imp_uid":""}', "no_imp_uid"),
        (FORM, b"status=paid", "no_imp_uid"), (FORM, b"imp_uid=", "no_imp_uid"), (FORM, b"{", "no_imp_uid"),
        (JSON, b'{"imp_uid":"status/all"}', "unusable_imp_uid"), (JSON, b'{"imp_uid":1}', "unusable_imp_uid"),
        (FORM, b"imp_uid=a%20b", "unusable_imp_uid"), (JSON, b'{"imp_uid":"../x","tx_id":"t"}', "unusable_imp_uid"),
    ],
)  # fmt: skip
def test_a_body_that_is_refused_has_a_reason(content_type: str, body: bytes, reason: BodyReason) -> None:
    """The likely cause, whatever the content type says."""
    with pytest.raises(BadNotification) as raised:
        parse(body, content_type)
    assert (raised.value.reason, str(raised.value)) == (reason, WORDS[reason])


def test_a_code_has_words() -> None:
    """Every one of them; one that a newer version made stays as it is."""
    assert WORDS.keys() == set(get_args(BodyReason))
    assert (words("empty"), words("something_new")) == ("the body is empty", "something_new")
