"""What is wrong with a field has a code, and words in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from console.http.problems import field_errors
from console.resources.endpoint_models import EndpointIn
from console.resources.payments import PaymentListing
from console.web.catalogue import catalogue_of
from console.web.reason_display import as_text
from console.web.time_display import Clock
from runtime.settings import Settings
from schemas.reasons import english

SETTINGS = Settings.load({})
GOOD = {"merchant": "shop", "url": "https://shop.example/hook"}


@pytest.mark.parametrize(
    ("field", "value", "code", "words", "korean"),
    [
        ("max_in_flight", 0, "below_least", "must be at least 1", "1 이상이어야 합니다"),
        ("max_in_flight", 1001, "above_most", "must be at most 1000", "1000 이하여야 합니다"),
        ("max_in_flight", "many", "not_an_integer", "must be an integer", "정수여야 합니다"),
        ("rate_limit", 0, "not_more", "must be more than 0", "0보다 커야 합니다"),
        ("rate_limit", -1, "not_more", "must be more than 0", "0보다 커야 합니다"),
        ("description", "x" * 501, "too_many_characters", "must have at most 500 characters", "500자 이하여야 합니다"),
        ("payload", "x", "not_one_of", "must be one of 'full', 'thin'", "다음 중 하나여야 합니다: 'full', 'thin'"),
        ("url", "", "too_few_characters", "must have at least 1 character", "1자 이상이어야 합니다"),
        ("url", 5, "not_a_text", "must be a string", "문자열이어야 합니다"),
        ("ordered", "x", "not_a_boolean", "must be true or false", "참 또는 거짓이어야 합니다"),
        ("types", "x", "not_a_list", "must be a list", "목록이어야 합니다"),
        ("headers", [], "not_a_json_object", "must be an object", "객체여야 합니다"),
        ("colour", "red", "unknown_field", "is not a known field", "없는 항목입니다"),
    ],
)
def test_a_wrong_field_is_explained(field: str, value: Any, code: str, words: str, korean: str) -> None:
    """In English in the API, in the reader's language in a form."""
    with pytest.raises(ValidationError) as caught:
        EndpointIn.model_validate({**GOOD, field: value}, context=SETTINGS)
    (wrong,) = field_errors(caught.value)
    assert (wrong.field.partition(".")[0], wrong.reason.code) == (field, code)
    assert english(wrong.reason) == words
    assert as_text(wrong.reason, Clock(0.0, "KST", catalogue_of("ko"))) == korean


def test_a_missing_field_is_explained() -> None:
    """It is named, and required."""
    with pytest.raises(ValidationError) as caught:
        EndpointIn.model_validate({"merchant": "shop"}, context=SETTINGS)
    assert [(wrong.field, wrong.reason.code) for wrong in field_errors(caught.value)] == [("url", "field_required")]


def test_a_wrong_status_is_explained() -> None:
    """Names to choose from are alike, whether they are an enumeration or not."""
    with pytest.raises(ValidationError) as caught:
        PaymentListing.model_validate({"status": "payed"}, context=SETTINGS)
    (wrong,) = field_errors(caught.value)
    assert (wrong.field, wrong.reason.code) == ("status", "not_one_of")
    assert english(wrong.reason).startswith("must be one of 'ready', 'virtual_account_issued', ")
