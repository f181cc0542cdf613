"""Signing in with a token of the operator API, and out."""

from __future__ import annotations

import math

import structlog

from console.http.proxied import source
from console.operations.sign_in import EndedSessions, SignInLimit
from console.web import addresses, cookies
from console.web.devices import Devices
from console.web.sessions import Sessions
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit
from runtime.proxies import TrustedProxies
from schemas.payments.source_budget import budget_name

log = structlog.get_logger()


def pages(
    sessions: Sessions, devices: Devices, ended: EndedSessions, limit: SignInLimit, proxies: TrustedProxies
) -> tuple[PageRoute, ...]:
    """The pages that begin and end sessions."""

    async def form(visit: Visit) -> PageResult:
        to = _to(visit.query("to") or "")
        return Redirect(to) if visit.session else _page(to)

    async def begin(visit: Visit) -> PageResult:
        to = _to(visit.form.get("to"))
        address = source(visit.request, proxies)
        place = budget_name(address) if address else "unknown"
        device = devices.known(visit.request.cookies.get(cookies.DEVICE), visit.clock.now)
        budget = place if device is None else f"device {device}"
        wait = await limit.attempt(budget, is_known=device is not None)
        if wait > 0:
            log.warning("sign_in_limited", source=place, seconds=math.ceil(wait))
            return _page(to, 429, wait=math.ceil(wait))
        begun = sessions.begin(visit.form.get("token"), visit.clock.now)
        if begun is None:
            log.warning("sign_in_refused", source=place)
            return _page(to, 403)
        await limit.forgive(budget, is_known=device is not None)
        session, cookie = begun
        log.info("operator_signed_in", caller=session.caller.name, read_only=session.caller.read_only)
        return Redirect(to, session=cookie, device=devices.mark(visit.clock.now))

    async def end(visit: Visit) -> PageResult:
        if visit.session is not None:
            await ended.end(visit.session.csrf, visit.session.ends_at)
        return Redirect("/sign-in", session="")

    return (
        PageRoute("/sign-in", form, public=True),
        PageRoute("/sign-in", begin, "POST", public=True),
        PageRoute("/sign-out", end, "POST", public=True),
    )


def _page(to: str, status: int = 200, *, wait: int | None = None) -> View:
    """The form, also after a wrong token (403) or too many attempts (429, with `wait` in seconds)."""
    minutes = math.ceil((wait or 0) / 60)
    return View("sign_in", {"to": to, "wrong": status != 200, "minutes": minutes}, status, retry_after=wait)


def _to(path: str) -> str:
    return "/" if path.startswith("/sign-") else addresses.local(path)
