"""The sandbox posts webhooks as i'mport does."""

from __future__ import annotations

from tests.sandbox.conftest import SandboxClient, WebhookReceiver
from tests.support.iamport_stub import http


async def test_once_by_default(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """A webhook that failed is not sent again."""
    relay.reply = lambda _asked: http(500)
    await iamport.play("card")
    assert len(relay.asked) == 1


async def test_retries_on_request(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """With retries it is sent again after a 5xx or a broken connection, until it is taken."""
    answers = [http(503), None, http(200)]
    relay.reply = lambda _asked: answers[len(relay.asked) - 1]
    await iamport.play("card", retries=5)
    assert len(relay.asked) == 3


async def test_never_again_after_a_4xx(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """A 4xx is final."""
    relay.reply = lambda _asked: http(404)
    await iamport.play("card", retries=5)
    assert len(relay.asked) == 1


async def test_a_webhook_that_cannot_be_posted_is_recorded(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """A refused connection loses the webhook and nothing else."""
    await relay.stop()
    await iamport.play("card")
    sent = await iamport.control("GET", "/webhooks")
    assert (sent["count"], sent["webhooks"][0]["status_code"]) == (1, None)


async def test_by_hand(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """Any webhook can be posted, also from another loopback address; the status code is returned."""
    claim = {"imp_uid": "imp_x", "status": "cancelled", "cancellation_id": "made-up", "extra": "kept"}
    answer = await iamport.control("POST", "/webhooks", {**claim, "merchant": "shop", "source": "127.0.0.1"})
    assert answer == {"status_code": 200}
    assert relay.webhooks == [claim]
    assert relay.asked[0].path == "/webhooks/shop"


async def test_a_token_in_the_path_is_not_kept(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """If the URL ends in a webhook token, neither the list of webhooks nor the log shows it."""
    await iamport.play("card", webhook_url=f"{relay.url}/webhooks/shop/very-secret")
    assert relay.asked[0].path == "/webhooks/shop/very-secret"
    assert (await iamport.control("GET", "/webhooks"))["webhooks"][0]["path"] == "/webhooks/shop"
