"""Errors for readers: a page of its own, or a notice on the next page."""

from __future__ import annotations

from functools import reduce

import structlog

from console.http.problems import is_outcome_unknown, of_error, reason_of
from console.http.requests import InvalidFields, TooLarge
from console.web.visit import Redirect, View, Visit
from schemas.errors import HistoryUnavailable, Invalid, LedgerUnavailable, NotFound, RelayError
from schemas.reasons import Reason, dump

log = structlog.get_logger()


def refused(visit: Visit, error: Exception) -> View:
    """The page of an error, with the status that the operator API would answer with."""
    match error:
        case NotFound():
            return View("error", {"what": "not_found", "detail": error.reason}, 404)
        case InvalidFields():
            return View("error", {"what": "invalid", "errors": error.errors}, 422)
        case TooLarge():
            return View("error", {"what": "invalid"}, 413)
        case HistoryUnavailable():
            log.warning("page_without_history", path=visit.request.url.path, reason=str(error))
            return View("error", {"what": "history", "detail": error.reason}, 503)
        case LedgerUnavailable():
            log.warning("page_without_ledger", path=visit.request.url.path, reason=str(error))
            return View("error", {"what": "redis", "detail": error.reason}, 503)
        case RelayError():
            return View("error", {"what": "refused", "detail": reason(error)}, of_error(error).status_code)
    return View("error", {"what": "broke"}, 500)


def failed(to: str, error: RelayError | InvalidFields) -> Redirect:
    """Back to a page, with a notice of why an action failed."""
    values = {"reason": dump(reason(error)).decode()}
    return Redirect(to, "failed", values, bad=True, unclear=is_outcome_unknown(error))


def reason(error: RelayError | InvalidFields) -> Reason:
    """Why an action failed, with every field that was wrong."""
    match error:
        case InvalidFields():
            first, *others = (Reason.of("field_invalid", one.reason, field=one.field or None) for one in error.errors)
            return reduce(Reason.because, others, first)
        case Invalid():
            return Reason.of("field_invalid", error.reason, field=error.field)
    return reason_of(error)
