"""Guards pages: checks session, rights and the origin of a form; then answers with the page or a refusal."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.context import Context
from console.http.audited import action_done
from console.http.models import Body, Parameters
from console.http.requests import InvalidFields, TooLarge
from console.http.streams import Streamed
from console.operations.audit import AuditTrail
from console.operations.history_state import HistoryState, HistoryWatch
from console.operations.sign_in import EndedSessions
from console.operations.token_uses import TokenUses
from console.web import addresses, catalogue, cookies, time_display
from console.web.cookies import Cookies
from console.web.devices import REMEMBERED
from console.web.forms import CSRF, Form, read_form
from console.web.headers import with_headers
from console.web.live import Live
from console.web.refusals import refused
from console.web.rendering import THEMES, Rendering
from console.web.sessions import LIFETIME, Session, Sessions, equal_secrets
from console.web.visit import Download, PageResult, PageRoute, Redirect, View, Visit
from runtime.proxies import TrustedProxies
from schemas.errors import LedgerUnavailable, RelayError

log = structlog.get_logger()


class PageGuard:
    """Checks every request for a page before the page is made."""

    def __init__(
        self,
        context: Context,
        sessions: Sessions,
        ended: EndedSessions,
        uses: TokenUses,
        proxies: TrustedProxies,
        rendering: Rendering,
        live: Live,
        trail: AuditTrail,
    ) -> None:
        self._context = context
        self._trail = trail
        self._sessions = sessions
        self._ended = ended
        self._uses = uses
        self._cookies = Cookies(proxies)
        self._rendering = rendering
        self._live = live
        self._history = HistoryWatch(context)

    def guarded_handler(self, page: PageRoute) -> Callable[[Request], Awaitable[Response]]:
        """The handler of a page for Starlette's routes, with all checks."""

        async def endpoint(request: Request) -> Response:
            visit = await self._visit(request)
            visitor = request.cookies.get(cookies.VISITOR) or secrets.token_urlsafe(24)
            csrf = visit.session.csrf if visit.session else visitor
            try:
                response = await self._answer(page, visit, csrf)
            except (RelayError, InvalidFields, TooLarge) as error:
                response = await self._respond(refused(visit, error), visit, csrf)
            except Exception as error:
                log.exception("page_crashed", path=request.url.path)
                response = await self._respond(refused(visit, error), visit, csrf)
            if visit.session is None and request.cookies.get(cookies.VISITOR) != visitor:
                self._cookies.put(request, response, cookies.VISITOR, visitor)
            return with_headers(response)

        return endpoint

    async def _visit(self, request: Request) -> Visit:
        now, given = time.time(), request.cookies
        session = await self._session(given.get(cookies.SESSION), now)
        names = cookies.PREFERENCES
        language = catalogue.preferred(given.get(names["language"]), request.headers.get("accept-language"))
        zone = time_display.preferred(given.get(names["zone"]), language)
        theme = given.get(names["theme"], "")
        return Visit(
            request=request,
            context=self._context,
            session=session,
            clock=time_display.Clock(now, zone, catalogue.catalogue_of(language)),
            theme=theme if theme in THEMES else THEMES[0],
        )

    async def _session(self, cookie: str | None, now: float) -> Session | None:
        session = self._sessions.resume(cookie, now)
        if session is None or await self._ended.include(session.csrf):
            return None
        await self._uses.note(session.caller.name)
        return session

    async def _answer(self, page: PageRoute, visit: Visit, csrf: str) -> Response:
        request = visit.request
        if visit.session is None and not page.public:
            return await self._to_sign_in(visit, csrf)
        if request.method == "POST":
            form = await read_form(request)
            visit = replace(visit, form=form)
            if not _is_ours(request, form, csrf):
                return await self._respond(View("error", {"what": "form"}, 403), visit, csrf)
            if not page.public and not page.for_readers:
                if not visit.may_act:
                    return await self._respond(View("error", {"what": "read_only"}, 403), visit, csrf)
                log.info("operator_acts", caller=visit.caller.name, path=request.url.path)
        elif request.query_params.get("live") == "1" and not page.public:
            await self._audit(page, visit, View("", {}))
            return self._live.stream(page, visit, csrf, partial(self._ended.include, csrf))
        outcome = await page.handler(visit)
        await self._audit(page, visit, outcome)
        match outcome:
            case View():
                return await self._respond(outcome, visit, csrf)
            case Download():
                return Streamed(outcome.pieces, 200, outcome.headers)
        return self._go(outcome, request)

    async def _audit(self, page: PageRoute, visit: Visit, outcome: PageResult) -> None:
        """Audit what was done, or what is about to be shown. Raises `LedgerUnavailable` only in the second case."""
        if page.audited is None or not page.audited.counts(_status(outcome)):
            return
        request = visit.request
        made: Mapping[str, Any] = {}
        match outcome:
            case View():
                made = outcome.named
            case Redirect():
                made = {"id": outcome.made} if outcome.made else {}
        form = {name: values[-1] for name, values in visit.form.fields.items() if values}
        bodies = [asked for asked in visit.asked if isinstance(asked, Body)]
        parameters = {name: value for asked in visit.asked if isinstance(asked, Parameters) for name, value in asked}
        named = {**form, **request.query_params, **parameters, **made, **request.path_params}
        done = action_done(page.audited, named, bodies[-1] if bodies else None)
        await (self._trail.viewed if page.audited.is_view else self._trail.wrote)(visit.caller.actor, done)

    async def _respond(self, view: View, visit: Visit, csrf: str) -> Response:
        request = visit.request
        notice = cookies.open_notice(self._context.sealer, request.cookies.get(cookies.NOTICE))
        history = None if visit.session is None or view.status == 503 else await self._history_state()
        html = self._rendering.page(view, visit, csrf=csrf, notice=notice, history=history)
        headers = None if view.retry_after is None else {"retry-after": str(view.retry_after)}
        response = HTMLResponse(html, view.status, headers)
        if cookies.NOTICE in request.cookies:
            self._cookies.drop(request, response, cookies.NOTICE)
        return response

    async def _history_state(self) -> HistoryState | None:
        """The state of history that every page shows; None while Redis, which knows how far it is behind, is away."""
        try:
            return await self._history.recent()
        except LedgerUnavailable:
            return None

    def _go(self, go: Redirect, request: Request) -> Response:
        response = RedirectResponse(go.to, 303)
        if go.notice:
            notice = cookies.pack_notice(self._context.sealer, go.notice, go.values, bad=go.bad)
            self._cookies.put(request, response, cookies.NOTICE, notice, seconds=60)
        for name, value in go.preferences.items():
            self._cookies.remember(request, response, name, value)
        if go.session:
            self._cookies.put(request, response, cookies.SESSION, go.session, seconds=LIFETIME)
        elif go.session == "":
            self._cookies.drop(request, response, cookies.SESSION)
        if go.device:
            self._cookies.put(request, response, cookies.DEVICE, go.device, seconds=REMEMBERED)
        return response

    async def _to_sign_in(self, visit: Visit, csrf: str) -> Response:
        request = visit.request
        if request.query_params.get("live") == "1":
            return Response(status_code=401)
        if request.headers.get("sec-fetch-site") == "cross-site" and request.method in ("GET", "HEAD"):
            # Browsers send no strict cookie with a link that was followed on another site, so the page reloads itself.
            return await self._respond(View("again", {"to": addresses.requested(request)}), visit, csrf)
        to = addresses.requested(request) if request.method == "GET" else "/"
        return RedirectResponse(f"/sign-in?to={quote(to, safe='/')}" if to != "/" else "/sign-in", 303)


def _status(outcome: PageResult) -> int:
    """The status that the operator API would have answered with; exact only in whether anything was done."""
    match outcome:
        case View():
            return outcome.status
        case Redirect():
            return 409 if outcome.bad and not outcome.unclear else 303
    return 200


def _is_ours(request: Request, form: Form, csrf: str) -> bool:
    """Whether a form comes from a page of this console that its sender has opened."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_same_origin = site in ("same-origin", "none")
    else:
        is_same_origin = origin is None or origin.partition("://")[2] == request.headers.get("host")
    return is_same_origin and equal_secrets(form.get(CSRF), csrf)
