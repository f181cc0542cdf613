"""One run of a scenario: its options, its compressed time, and the steps that scenarios are made of."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sandbox.cancellations import Cancellations
from sandbox.payments import DelayedOutcome, Money, Outcome, SandboxPayment, SandboxPayments, WebhookTarget
from sandbox.webhooks import Webhooks
from schemas import wire

log = structlog.get_logger()

_STEP = 1.0
_RELAY_LEARNS_WITHIN = 30.0


class RelayApi(BaseModel):
    """A relay's operator API, for scenarios in which the merchant cancels through the relay."""

    model_config = ConfigDict(extra="forbid")

    url: str
    token: SecretStr


class ScenarioOptions(BaseModel):
    """How a scenario is played; by default for the merchant `default`, with webhooks as JSON, a step a second.

    ``count`` plays it that many times at once. ``copies`` is how often `duplicate` sends its webhook. ``deadline`` and
    ``ticket_seconds`` (until a slow PG decides) are in seconds, which ``speed`` does not shorten. ``source`` is a
    loopback address to send from. ``tier`` is the code of the agency's sub-merchant that the payment belongs to.
    """

    model_config = ConfigDict(extra="forbid")

    speed: float = Field(default=1.0, gt=0, le=1000)
    merchant: str = "default"
    format: Literal["json", "form"] = "json"
    webhook_url: str | None = None
    source: str | None = None
    retries: int = Field(default=0, ge=0, le=5)
    count: int = Field(default=1, ge=1, le=1000)
    copies: int = Field(default=20, ge=1, le=1000)
    merchant_uid: str | None = None
    amount: int | Decimal | None = Field(default=None, ge=0)
    currency: str | None = None
    sandbox: bool = False
    imp_key: str | None = None
    tier: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{3}$")
    deadline: int = Field(default=2, ge=0)
    outcome: Outcome | None = None
    ticket_seconds: float = Field(default=1.2, ge=0)
    partial_status: Literal["paid", "cancelled"] = "paid"
    relay_api: RelayApi | None = None

    @property
    def webhook_target(self) -> WebhookTarget:
        """Where the webhooks go and how."""
        return WebhookTarget(self.webhook_url, self.merchant, self.format == "form", self.retries, self.source)


class ScenarioRun:
    """One run of one scenario. ``imp_uids`` are its payments, in the order they were made."""

    def __init__(
        self, options: ScenarioOptions, payments: SandboxPayments, webhooks: Webhooks, cancellations: Cancellations
    ) -> None:
        self.options = options
        self.payments = payments
        self.imp_uids: list[str] = []
        self._webhooks = webhooks
        self._cancellations = cancellations

    def start(self, *, outcome: Outcome = "cancelled", tier: str | None = None, **fields: Any) -> SandboxPayment:
        """A buyer starts to pay; the options override these arguments.

        ``outcome`` is how a slow cancellation will end.
        """
        chosen = self.options.model_dump(include={"merchant_uid", "amount", "currency"}, exclude_none=True)
        sandbox = self.options.sandbox or fields.get("sandbox", False)
        payment = self.payments.start(**(fields | chosen | {"sandbox": sandbox}))
        payment.webhook_target = self.options.webhook_target
        payment.account, payment.tier = self.options.imp_key, self.options.tier or tier
        payment.partial_status = self.options.partial_status
        payment.delayed_outcome = DelayedOutcome(
            outcome=self.options.outcome or outcome, seconds=self.options.ticket_seconds
        )
        self.imp_uids.append(payment.imp_uid)
        return payment

    async def pause(self, steps: float = 1.0) -> None:
        """Waits between two steps."""
        await asyncio.sleep(_STEP * steps / self.options.speed)

    async def until_deadline(self, payment: SandboxPayment) -> None:
        """Waits until a virtual account's deadline has passed."""
        await asyncio.sleep(max(0, payment.fields["vbank_date"] + 1 - self.payments.now))

    async def webhook(
        self, payment: SandboxPayment, status: str | None = None, cancellation_id: str | None = None
    ) -> None:
        """i'mport posts a webhook with the payment's status now, or with ``status``."""
        await self._webhooks.send(payment, status, cancellation_id)

    async def escrow_changed(self, payment: SandboxPayment, code: str, denied_reason: str | None = None) -> None:
        """i'mport reports an escrow change by webhook; the payment object does not show it."""
        extra = {"escrow_status": code, "changed_at": self.payments.now}
        body = {
            "event": "Inicis.Escrow.Changed",
            "imp_uid": payment.imp_uid,
            "merchant_uid": payment.fields["merchant_uid"],
            "status": payment.fields["status"],
            "extra": extra if denied_reason is None else {**extra, "denied_reason": denied_reason},
        }
        await self._webhooks.post(body, payment.webhook_target)

    async def forge(self, **fields: Any) -> None:
        """Post a made-up webhook that is not from i'mport."""
        await self._webhooks.post(fields, self.options.webhook_target)

    async def cancel_in_console(self, payment: SandboxPayment, amount: Money | None = None, **form: Any) -> None:
        """The merchant cancels in i'mport's console; a webhook announces it."""
        cancellation_id = self._cancellations.ask(payment, {"amount": amount, **form})
        if cancellation_id is not None:
            await self.webhook(payment, "cancelled", cancellation_id)

    async def ask_to_cancel(self, payment: SandboxPayment, **form: Any) -> None:
        """The merchant requests a cancellation: through the relay if ``relay_api`` is set, else at i'mport."""
        if self.options.relay_api is None:
            await self.cancel_in_console(payment, **form)
        else:
            await self._ask_relay(self.options.relay_api, payment, form)

    async def until_cancellation_decided(self, payment: SandboxPayment) -> None:
        """Waits until the PG has decided on the payment's latest cancellation."""
        pending = self._cancellations.latest_pending(payment)
        if pending is not None and payment.delayed_outcome.outcome != "never":
            await pending.done.wait()

    async def _ask_relay(self, relay: RelayApi, payment: SandboxPayment, form: dict[str, Any]) -> None:
        """Requests the cancellation through the relay, which answers 404 until it has looked the payment up."""
        merchant = quote(self.options.merchant, safe="")
        url = f"{relay.url.rstrip('/')}/v1/payments/{payment.imp_uid}/cancellations?merchant={merchant}"
        headers = {"authorization": f"Bearer {relay.token.get_secret_value()}", "content-type": "application/json"}
        async with asyncio.timeout(_RELAY_LEARNS_WITHIN), aiohttp.ClientSession() as session:
            status_code = 404
            while status_code == 404:
                async with session.post(url, data=wire.dumps(form), headers=headers) as response:
                    status_code = response.status
                if status_code == 404:
                    await asyncio.sleep(0.1)
        log.info("cancellation_requested", imp_uid=payment.imp_uid, status_code=status_code)
