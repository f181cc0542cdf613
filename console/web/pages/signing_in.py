"""Signing in with a token of the operator API, and out."""

from __future__ import annotations

import structlog

from console.web import addresses
from console.web.sessions import Sessions
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit

log = structlog.get_logger()


def pages(sessions: Sessions) -> tuple[PageRoute, ...]:
    """The pages that begin and end sessions."""

    async def form(visit: Visit) -> PageResult:
        to = _to(visit.query("to") or "")
        return Redirect(to) if visit.session else View("sign_in", {"to": to, "wrong": False})

    async def begin(visit: Visit) -> PageResult:
        to = _to(visit.form.get("to"))
        begun = sessions.begin(visit.form.get("token"), visit.clock.now)
        if begun is None:
            log.warning("sign_in_refused", source=visit.request.client.host if visit.request.client else None)
            return View("sign_in", {"to": to, "wrong": True}, 403)
        session, cookie = begun
        log.info("operator_signed_in", caller=session.caller.name, read_only=session.caller.read_only)
        return Redirect(to, session=cookie)

    async def end(visit: Visit) -> PageResult:
        if visit.session is not None:
            sessions.end(visit.session, visit.clock.now)
        return Redirect("/sign-in", session="")

    return (
        PageRoute("/sign-in", form, public=True),
        PageRoute("/sign-in", begin, "POST", public=True),
        PageRoute("/sign-out", end, "POST", public=True),
    )


def _to(path: str) -> str:
    return "/" if path.startswith("/sign-") else addresses.local(path)
