"""Where a scenario is played: options, compressed time, and the verbs that scenarios are told in."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sandbox.book import Book, Late, Money, Outcome, Route, SandboxPayment
from sandbox.cancellations import Cancellations
from sandbox.webhooks import Webhooks
from schemas import wire

log = structlog.get_logger()

_STEP = 1.0
_RELAY_LEARNS_WITHIN = 30.0


class RelayApi(BaseModel):
    """The console of a relay, for scenarios in which the merchant cancels through it."""

    model_config = ConfigDict(extra="forbid")

    url: str
    token: SecretStr


class Options(BaseModel):
    """How a scenario is played. Without them: for merchant `default`, webhooks as JSON, a step a second.

    ``count`` plays it that many times at once, ``copies`` is how often `duplicate` sends its webhook; ``deadline``
    and ``ticket_seconds`` are seconds that ``speed`` does not shorten; ``source`` is a loopback address to send from;
    ``tier`` is the code of the agency's sub-merchant whose payment it is.
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


class Stage:
    """One playing of one scenario. ``imp_uids`` are the payments it made, in order."""

    def __init__(self, options: Options, book: Book, webhooks: Webhooks, cancellations: Cancellations) -> None:
        self.options = options
        self.book = book
        self.imp_uids: list[str] = []
        self._webhooks = webhooks
        self._cancellations = cancellations

    @property
    def route(self) -> Route:
        """Where this scenario's webhooks go."""
        chosen = self.options
        return Route(chosen.webhook_url, chosen.merchant, chosen.format == "form", chosen.retries, chosen.source)

    def start(self, *, outcome: Outcome = "cancelled", tier: str | None = None, **fields: Any) -> SandboxPayment:
        """A buyer starts to pay; the options win over what is given here.

        ``outcome`` is how a slow cancellation will end.
        """
        chosen = self.options.model_dump(include={"merchant_uid", "amount", "currency"}, exclude_none=True)
        sandbox = self.options.sandbox or fields.get("sandbox", False)
        payment = self.book.start(**(fields | chosen | {"sandbox": sandbox}))
        payment.route = self.route
        payment.account, payment.tier = self.options.imp_key, self.options.tier or tier
        payment.partial_status = self.options.partial_status
        payment.late = Late(outcome=self.options.outcome or outcome, seconds=self.options.ticket_seconds)
        self.imp_uids.append(payment.imp_uid)
        return payment

    async def pause(self, steps: float = 1.0) -> None:
        """Time passes between two steps."""
        await asyncio.sleep(_STEP * steps / self.options.speed)

    async def until_deadline(self, payment: SandboxPayment) -> None:
        """Waits until a virtual account's deadline is over."""
        await asyncio.sleep(max(0, payment.fields["vbank_date"] + 1 - self.book.now))

    async def webhook(
        self, payment: SandboxPayment, status: str | None = None, cancellation_id: str | None = None
    ) -> None:
        """i'mport posts what it knows of the payment now, or what ``status`` says."""
        await self._webhooks.send(payment, status, cancellation_id)

    async def escrow_changed(self, payment: SandboxPayment, code: str, denied_reason: str | None = None) -> None:
        """i'mport passes on what Inicis says of an escrow purchase; the payment shows none of it."""
        extra = {"escrow_status": code, "changed_at": self.book.now}
        claim = {
            "event": "Inicis.Escrow.Changed",
            "imp_uid": payment.imp_uid,
            "merchant_uid": payment.fields["merchant_uid"],
            "status": payment.fields["status"],
            "extra": extra if denied_reason is None else {**extra, "denied_reason": denied_reason},
        }
        await self._webhooks.post(claim, payment.route)

    async def forge(self, **claim: Any) -> None:
        """Somebody else posts a claim of their own making."""
        await self._webhooks.post(claim, self.route)

    async def cancel_in_console(self, payment: SandboxPayment, amount: Money | None = None, **form: Any) -> None:
        """The merchant presses the button in i'mport's console, which announces the cancellation."""
        cancellation_id = self._cancellations.ask(payment, {"amount": amount, **form})
        if cancellation_id is not None:
            await self.webhook(payment, "cancelled", cancellation_id)

    async def ask_to_cancel(self, payment: SandboxPayment, **form: Any) -> None:
        """The merchant asks for a cancellation: through the relay where one was given, else at i'mport directly."""
        if self.options.relay_api is None:
            await self.cancel_in_console(payment, **form)
        else:
            await self._ask_relay(self.options.relay_api, payment, form)

    async def ticket_decided(self, payment: SandboxPayment) -> None:
        """Waits until the PG has decided on the latest ticket of the payment."""
        ticket = self._cancellations.ticket_of(payment)
        if ticket is not None and payment.late.outcome != "never":
            await ticket.done.wait()

    async def _ask_relay(self, relay: RelayApi, payment: SandboxPayment, form: dict[str, Any]) -> None:
        """The relay answers 404 until it has looked at the payment for the first time."""
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
        log.info("cancellation_asked", imp_uid=payment.imp_uid, status_code=status_code)
