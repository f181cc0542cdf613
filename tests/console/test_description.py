"""The description and the API agree: schemathesis plays what OpenAPI says, and looks at every answer."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from schemas.endpoints.delivery import Delivered
from tests.console.conftest import TOKEN, Console, running, worked
from tests.support import machine
from tests.support.iamport_stub import Stub, no
from tests.support.processes import ROOT

EXAMPLES = 5
PATIENCE = 240.0  # pytest's own limit is longer
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "unsupported_method", "ignored_auth",
)  # fmt: skip
_SHARED = {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")}
"""Where Hypothesis keeps its tables of characters: making them takes it a second."""


async def work(console: Console) -> None:
    """What workers do, once, so that no call waits for one: i'mport knows `imp_1` and nothing else."""
    for merchant in await console.ledger.merchants.names():
        await machine.look_at(console.ledger, {"imp_1": machine.payment("imp_1")}, merchant)
    for row in await console.ledger.endpoints.newest(200):
        await machine.send(console.ledger, row.endpoint.id, Delivered(), status_code=200)


async def test_schemathesis_finds_nothing(redis_url: str, tmp_path: Path) -> None:
    """No 5xx, no answer that is not described, nothing invalid accepted, nothing open without a token."""
    iamport = Stub(reply=lambda _asked: no(200, "already cancelled", code=1))
    await iamport.start()
    environ = {"IMP_KEY": "key", "IMP_SECRET": "secret", "IMP_API_URL": iamport.url}
    async with running(redis_url, environ) as console, worked(lambda: work(console), every=0.1):
        await machine.seen(console.ledger, "imp_1")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "run", f"{console.url}/v1/openapi.json",
            "--header", f"Authorization: Bearer {TOKEN}", "--checks", ",".join(CHECKS),
            "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1",
            "--generation-database", "none", "--no-color", "--request-timeout", "30", "--warnings", "off",
            cwd=tmp_path, env=os.environ | _SHARED, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            await iamport.stop()
    if process.returncode:
        pytest.fail(output.decode()[-12000:])


async def test_every_operation_is_described(console: Console) -> None:
    """Each path and method of the operator API has a place in the description, which is valid JSON without a token."""
    async with asyncio.timeout(20):
        described = (await console.call("GET", "/v1/openapi.json", headers={"authorization": ""})).json()
    calls = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert calls >= {
        "PUT /v1/merchants/{merchant}", "GET /v1/merchants", "GET /v1/merchants/{merchant}",
        "DELETE /v1/merchants/{merchant}", "POST /v1/endpoints", "GET /v1/endpoints", "GET /v1/endpoints/{id}",
        "PATCH /v1/endpoints/{id}", "DELETE /v1/endpoints/{id}", "GET /v1/endpoints/{id}/secret",
        "POST /v1/endpoints/{id}/secret/rotate", "POST /v1/endpoints/{id}/enable", "POST /v1/endpoints/{id}/disable",
        "POST /v1/endpoints/{id}/test", "GET /v1/payments/{imp_uid}", "GET /v1/payments",
        "POST /v1/payments/{imp_uid}/refresh", "POST /v1/payments/{imp_uid}/cancellations",
        "POST /v1/payments/{imp_uid}/cancellations/{id}/reject", "PUT /v1/orders/{merchant_uid}",
        "GET /v1/notifications", "GET /v1/events", "GET /v1/events/{id}", "GET /v1/events/{id}/explain",
        "GET /v1/deliveries", "GET /v1/deliveries/{id}", "POST /v1/deliveries/{id}/retry",
        "POST /v1/replays", "GET /v1/replays", "GET /v1/replays/{id}",
        "DELETE /v1/replays/{id}", "POST /v1/reconciliations", "GET /v1/reconciliations",
        "GET /v1/reconciliations/{id}", "GET /v1/stats", "POST /v1/keys/reseal",
    }  # fmt: skip


async def test_reasons_are_described_as_text(console: Console) -> None:
    """How a reason is kept inside is no part of the API: it shows words, and a code beside them."""
    described = (await console.call("GET", "/v1/openapi.json")).json()
    schemas = described["components"]["schemas"]
    assert "Reason" not in schemas
    reason, code = (schemas["DeliveryOut"]["properties"][name] for name in ("reason", "reason_code"))
    assert [one["type"] for one in reason["anyOf"]] == [one["type"] for one in code["anyOf"]] == ["string", "null"]


async def test_the_docs_page_needs_nothing_from_elsewhere(console: Console) -> None:
    """One page, no script, no address outside, and a policy that would not let any in."""
    page = await console.call("GET", "/v1/docs", headers={"authorization": ""})
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "/v1/deliveries/{id}/retry" in page.text
