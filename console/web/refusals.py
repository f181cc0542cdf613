"""What does not work out, in words: a page of its own, or a notice on the next one."""

from __future__ import annotations

import structlog

from console.http.problems import of_error
from console.http.requests import InvalidFields, TooLarge
from console.web.visit import Redirect, View, Visit
from schemas import wire
from schemas.errors import Invalid, LedgerUnavailable, NotFound, RelayError

log = structlog.get_logger()


def refused(visit: Visit, error: Exception) -> View:
    """The page of an error, with the status that the operator API would answer with."""
    match error:
        case NotFound():
            return View("error", {"what": "not_found", "detail": str(error)}, 404)
        case InvalidFields():
            return View("error", {"what": "invalid", "errors": error.errors}, 422)
        case TooLarge():
            return View("error", {"what": "invalid"}, 413)
        case LedgerUnavailable():
            log.warning("page_without_ledger", path=visit.request.url.path, reason=str(error))
            return View("error", {"what": "redis", "detail": str(error)}, 503)
        case RelayError():
            return View("error", {"what": "refused", "detail": reason(error)}, of_error(error).status_code)
    return View("error", {"what": "broke"}, 500)


def failed(to: str, error: RelayError | InvalidFields) -> Redirect:
    """Back to a page, with a notice of why an action came to nothing."""
    return Redirect(to, "failed", {"reason": reason(error)}, bad=True)


def reason(error: RelayError | InvalidFields) -> str:
    """Why an action came to nothing, in the API's words, with every field that was wrong."""
    match error:
        case InvalidFields():
            return "; ".join(": ".join(filter(None, (one["field"], one["message"]))) for one in error.errors)
        case Invalid():
            return str(error)
    detail: str = wire.loads(bytes(of_error(error).body))["detail"]
    return detail
