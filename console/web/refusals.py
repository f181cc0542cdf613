"""Pages for what does not work out."""

from __future__ import annotations

import structlog

from console.api.problems import of_error
from console.api.requests import NotValid, TooLarge
from console.web.visit import View, Visit
from schemas import wire
from schemas.errors import LedgerUnavailable, NotFound, RelayError

log = structlog.get_logger()


def refused(visit: Visit, error: Exception) -> View:
    """The page of an error, with the status that the operator API would answer with."""
    match error:
        case NotFound():
            return View("error", {"what": "not_found", "detail": str(error)}, 404)
        case NotValid():
            return View("error", {"what": "invalid", "errors": error.errors}, 422)
        case TooLarge():
            return View("error", {"what": "invalid"}, 413)
        case LedgerUnavailable():
            log.warning("page_without_ledger", path=visit.request.url.path, reason=str(error))
            return View("error", {"what": "redis", "detail": str(error)}, 503)
        case RelayError():
            answer = of_error(error)
            return View("error", {"what": "refused", "detail": wire.loads(bytes(answer.body))["detail"]},
                        answer.status_code)  # fmt: skip
    return View("error", {"what": "broke"}, 500)


def reason(error: RelayError | NotValid) -> str:
    """Why an action came to nothing, in the API's words."""
    if isinstance(error, NotValid):
        return "; ".join(": ".join(filter(None, (one["field"], one["message"]))) for one in error.errors)
    detail: str = wire.loads(bytes(of_error(error).body))["detail"]
    return detail
