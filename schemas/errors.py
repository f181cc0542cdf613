"""Every error the relay raises on purpose; the command line adds its own (`cli/failure.py`).

BadSetting                      a setting is missing or wrong: stop the process, one line
RelayError                      anything below; it carries a `Reason`
├── BadNotification             a webhook body without a usable imp_uid, or unparsable (400): do not retry
├── UnsupportedContentType      a webhook in another content type (415): do not retry
├── UnknownMerchant             no such merchant, or a wrong webhook token (404): do not retry
├── NotFound                    nothing is stored under this name (404): do not retry
│   └── HiddenPayment           a payment of a test channel, for a merchant that does not include these
├── Conflict                    the request contradicts what is stored (409): do not retry
├── Invalid                     a value does not validate (422); knows its field: do not retry
├── LedgerUnavailable           Redis is away, loading, read-only or too slow: retry
│   ├── LedgerRefused           Redis answered with an error that is none of these: retry, and log an error
│   ├── LedgerFull              Redis has no memory for this
│   └── LedgerNotOpen           the ledger is empty and history is not, or it is not yet known whether the two match
├── HistoryUnavailable          history's database is away, locked, full or unreadable: retry
│   └── HistoryDamaged          one row of it cannot be read; the others are fine
├── UnknownEntry                an outbox entry of a newer version: upgrade the process that reads it
├── SpoolUnavailable            the spool cannot store anything: full, damaged, switched off
│   └── BudgetSpent              it stores no more webhooks of unknown merchants
├── IamportError                a call of i'mport's API failed or had an unexpected answer
│   ├── IamportFailing          5xx, 429, timeout, no connection, not JSON, odd shape: retry
│   │   ├── IamportUnreachable   the request certainly had no effect: no connection, or refused with 401 or 429
│   │   └── TooMuchAsked         the answer was too large, or did not come whole in time: less may work
│   ├── IamportRefused          `code` ≠ 0 in an answer that is otherwise fine
│   ├── WrongCredentials        i'mport rejected imp_key and imp_secret
│   └── MalformedPayment        one payment of an answer is unusable; the others are fine
└── Unreadable                  an encrypted value that none of the keys opens
"""

from __future__ import annotations

from schemas.reasons import Reason, english
from schemas.reasons.codes import BodyReason


class BadSetting(Exception):
    """A setting is missing or wrong. The text names variable, value and what it takes."""


class RelayError(Exception):
    """Anything the relay raises on purpose while it runs, with its ``reason``. ``str(error)`` is in English."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return english(self.reason)


class BadNotification(RelayError):
    """A webhook without a usable ``imp_uid``, or with a body that does not parse; ``code`` says why."""

    def __init__(self, code: BodyReason) -> None:
        super().__init__(Reason.of(code))
        self.code = code


class UnsupportedContentType(RelayError):
    """A webhook whose content type is neither JSON nor a form."""

    def __init__(self) -> None:
        super().__init__(Reason.of("webhook_content_type"))


class UnknownMerchant(RelayError):
    """No merchant of this name, or the webhook token of its path is wrong."""

    def __init__(self) -> None:
        super().__init__(Reason.of("webhook_merchant_unknown"))


class NotFound(RelayError):
    """Nothing is stored under this name."""


class HiddenPayment(NotFound):
    """A payment of a test channel, for a merchant that does not include these; the text says how to include them."""

    def __init__(self, imp_uid: str, merchant: str) -> None:
        super().__init__(Reason.of("test_channel_excluded", imp_uid=imp_uid, merchant=merchant))


class Conflict(RelayError):
    """The request contradicts what is stored."""


class Invalid(RelayError):
    """A value does not validate; ``field`` says which, ``message`` what is wrong with it, in English."""

    def __init__(self, field: str, reason: Reason) -> None:
        super().__init__(reason)
        self.field = field

    @property
    def message(self) -> str:
        """The reason in English, without the field."""
        return english(self.reason)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class LedgerUnavailable(RelayError):
    """Redis is unavailable, e.g. away, loading, read-only or too slow."""


class LedgerRefused(LedgerUnavailable):
    """Redis answered with an unexpected error: a proxy's, a script's own, a right that was taken away.

    The call is repeated, because the error may pass. It is logged as an error, because it may need an operator.
    """


class LedgerFull(LedgerUnavailable):
    """Redis has no memory for this write; it may have enough for a smaller one."""


class LedgerNotOpen(LedgerUnavailable):
    """It is not known whether this ledger belongs to its history: Redis was lost and must be restored, or history is
    away.

    Until it is known, nothing is accepted or claimed, so that old payments are not mistaken for new ones.
    """


class HistoryUnavailable(RelayError):
    """History's database is unavailable, e.g. away, locked, full or unreadable."""


class HistoryDamaged(HistoryUnavailable):
    """A row of history cannot be read until an operator restores it from a backup; the others are fine."""


class UnknownEntry(RelayError):
    """An entry of the outbox is of a kind or version that this process does not know."""


class RefusedEntries(UnknownEntry):
    """History's database refuses values of some entries, and will refuse them at every try."""


class SpoolUnavailable(RelayError):
    """The spool cannot store anything: full, damaged or switched off."""


class BudgetSpent(SpoolUnavailable):
    """The spool stores no more webhooks of unknown merchants, from this source or at all."""

    def __init__(self) -> None:
        super().__init__(Reason.of("spool_budget_spent"))


class IamportError(RelayError):
    """A call of i'mport's API failed or had an unexpected answer."""


class IamportFailing(IamportError):
    """i'mport is failing; ``retry_after`` is in seconds, if it asked for a pause."""

    def __init__(self, reason: Reason, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class IamportUnreachable(IamportFailing):
    """The request certainly had no effect at i'mport: it was not sent, or 401 or 429 turned it away."""


class TooMuchAsked(IamportFailing):
    """An answer was too large, or (``slow``) was not complete in time: a smaller request may succeed.

    ``begins`` holds the first bytes of an answer that was too large; they may be a buyer's data.
    """

    def __init__(self, reason: Reason, *, slow: bool, begins: bytes = b"", retry_after: float | None = None) -> None:
        super().__init__(reason, retry_after=retry_after)
        self.slow = slow
        self.begins = begins


class IamportRefused(IamportError):
    """i'mport refused: its ``code`` and ``message`` as they came."""

    def __init__(self, reason: Reason, *, code: int, status_code: int) -> None:
        super().__init__(reason)
        self.code = code
        self.status_code = status_code


class WrongCredentials(IamportError):
    """i'mport rejected ``imp_key`` and ``imp_secret``."""


class MalformedPayment(IamportError):
    """One payment of an answer is unusable; ``imp_uid`` where it could be read."""

    def __init__(self, reason: Reason, *, imp_uid: str | None = None) -> None:
        super().__init__(reason)
        self.imp_uid = imp_uid


class Unreadable(RelayError):
    """An encrypted value that none of the given keys opens."""
