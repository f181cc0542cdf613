"""The sandbox's answers have the names and types of i'mport's description."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.scenarios import SCENARIOS
from schemas import wire
from tests.sandbox.conftest import SandboxClient
from tests.sandbox.description import deviations, schema_of, unknown_fields

PLAYED = [name for name in SCENARIOS if name != "test-call"]


@pytest.mark.parametrize("name", PLAYED)
async def test_every_scenario_s_payments_are_as_described(iamport: SandboxClient, name: str) -> None:
    """Whatever a scenario leaves behind, the single look-up, the batch and the list answer as described."""
    payments = await iamport.play(name)
    if name == "sub-merchant":
        iamport.http.headers["tier"] = "SUB"
    ids = [payment["imp_uid"] for payment in payments]
    _, single = await iamport.get(f"/payments/{ids[0]}", include_sandbox="true")
    _, batch = await iamport.batch(*ids)
    _, page = await iamport.get("/payments/status/all")
    assert list(deviations(single, schema_of("/payments/{imp_uid}"))) == []
    assert list(deviations(batch, schema_of("/payments"))) == []
    assert list(deviations(page, schema_of("/payments/status/{payment_status}"))) == []
    assert unknown_fields(single["response"]) == set()
    assert [row["imp_uid"] for row in batch["response"]] == ids


async def test_the_other_answers_are_as_described(iamport: SandboxClient) -> None:
    """Tokens, cancellations, prepared amounts and look-ups by order."""
    token = await iamport.get_token()
    made = await iamport.make(imp_uid="a", merchant_uid="order", status="paid")
    await iamport.control("PUT", "/prepared/order", {"amount": 1004})
    answers: list[tuple[Any, str, str]] = [
        (token, "/users/getToken", "post"),
        ({"code": 0, "response": made}, "/payments/{imp_uid}", "get"),
        (await iamport.cancel(imp_uid="a"), "/payments/cancel", "post"),
        ((await iamport.get("/payments/prepare/order"))[1], "/payments/prepare/{merchant_uid}", "get"),
        ((await iamport.get("/payments/find/order"))[1], "/payments/find/{merchant_uid}/{payment_status}", "get"),
        ((await iamport.get("/payments/findAll/order"))[1], "/payments/findAll/{merchant_uid}/{payment_status}", "get"),
    ]
    for answer, path, method in answers:
        assert list(deviations(answer, schema_of(path, method))) == [], path


def test_the_check_finds_what_is_wrong() -> None:
    """Missing, wrongly typed and over-long fields are reported, so that an empty list means something."""
    answer = wire.loads(b'{"code": "0", "response": {"imp_uid": "%s", "amount": "1", "sandbox": 0}}' % (b"x" * 33))
    found = list(deviations(answer, schema_of("/payments/{imp_uid}")))
    for name in ("code", "imp_uid", "amount", "sandbox", "merchant_uid", "status"):
        assert any(name in line for line in found), name
