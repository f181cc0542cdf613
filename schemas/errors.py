"""Every error the relay raises on purpose, as one tree.

RelayError                      anything below; its text is one sentence for a person
├── BadSetting                  a setting is missing or wrong: stop the process, one line
├── Rejected                    what was asked is wrong and will stay wrong: do not retry
│   ├── BadNotification         a webhook body without a usable imp_uid, or unparsable (400)
│   ├── UnsupportedContentType  a webhook in another content type (415)
│   ├── UnknownMerchant         no such merchant, or a wrong webhook token (404)
│   ├── NotFound                nothing is stored under this name (404)
│   │   └── HiddenPayment       a payment of a test channel, for a merchant that does not include these
│   ├── Conflict                it contradicts what is stored (409)
│   └── Invalid                 a value does not validate (422); knows its field
├── LedgerUnavailable           Redis is away, loading, read-only or too slow: retry
│   ├── LedgerRefused           Redis answered with an error that is none of these: retry, and say it loudly
│   └── LedgerFull              it has no room for this
├── HistoryUnavailable          history's database is away, locked, full or unreadable: retry
├── UnknownEntry                an outbox entry of a newer version: whoever reads it has to be upgraded
├── SpoolUnavailable            the spool cannot keep anything: full, damaged, switched off
│   └── BudgetSpent              it keeps no more of what belongs to no merchant known so far
├── IamportError                a call of i'mport's API did not give what it should
│   ├── IamportFailing          5xx, 429, timeout, no connection, not JSON, odd shape: retry
│   │   ├── IamportUnreachable   the request certainly had no effect: no connection, or turned away at the door
│   │   └── TooMuchAsked         the answer was too large, or did not come whole in time: less may work
│   ├── IamportRefused          `code` ≠ 0 under an answer that is otherwise well: it said no
│   ├── WrongCredentials        i'mport turned imp_key and imp_secret down
│   └── MalformedPayment        one payment of an answer is unusable; the others are fine
└── Unreadable                  an encrypted value that none of the keys opens
"""

from __future__ import annotations

from schemas.payments.body_reasons import WORDS, BodyReason


class RelayError(Exception):
    """Anything the relay raises on purpose; ``str(error)`` is meant for people."""


class BadSetting(RelayError):
    """A setting is missing or wrong. The text names variable, value and what it takes."""


class Rejected(RelayError):
    """What was asked is wrong and will stay wrong."""


class BadNotification(Rejected):
    """A webhook without a usable ``imp_uid``, or with a body that does not parse; why, in words and as a code."""

    def __init__(self, reason: BodyReason) -> None:
        super().__init__(WORDS[reason])
        self.reason = reason


class UnsupportedContentType(Rejected):
    """A webhook whose content type is neither JSON nor a form."""


class UnknownMerchant(Rejected):
    """No merchant of this name, or the webhook token of its path is wrong."""


class NotFound(Rejected):
    """Nothing is stored under this name."""


class HiddenPayment(NotFound):
    """A payment of a test channel, for a merchant that does not include these; the text says how to include them."""

    def __init__(self, imp_uid: str, merchant: str) -> None:
        super().__init__(
            f"{imp_uid} is a payment of a test channel, and these do not exist for merchant {merchant} "
            f"unless include_sandbox is on (relay merchants put {merchant} --include-sandbox)"
        )


class Conflict(Rejected):
    """The request contradicts what is stored."""


class Invalid(Rejected):
    """A value does not validate; ``field`` says which."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class LedgerUnavailable(RelayError):
    """Redis cannot be relied on right now: away, loading, read-only or too slow."""


class LedgerRefused(LedgerUnavailable):
    """Redis answered with an error that nobody expects: a proxy's, a script's own, a right that was taken away.

    It is tried again like any other trouble, as it may pass. It may need somebody, too, so it is logged as an error.
    """


class LedgerFull(LedgerUnavailable):
    """Redis has no room for this; it may have some for less."""


class HistoryUnavailable(RelayError):
    """History's database cannot be relied on right now: away, locked, full or unreadable."""


class UnknownEntry(RelayError):
    """An entry of the outbox is of a kind or version that this process does not know."""


class SpoolUnavailable(RelayError):
    """The spool cannot keep anything: full, damaged or switched off."""


class BudgetSpent(SpoolUnavailable):
    """The spool keeps no more webhooks of merchants that are not known, from this source or at all."""


class IamportError(RelayError):
    """A call of i'mport's API did not give what it should."""


class IamportFailing(IamportError):
    """i'mport is in trouble; ``retry_after`` is in seconds where it said one."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IamportUnreachable(IamportFailing):
    """The request certainly had no effect at i'mport: it was not sent, or 401 or 429 turned it away."""


class TooMuchAsked(IamportFailing):
    """An answer was too large, or (``slow``) did not come whole in time: a question for less may be answered.

    ``begins`` holds the first bytes of an answer that was too large; they may be a buyer's data.
    """

    def __init__(self, message: str, *, slow: bool, begins: bytes = b"", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.slow = slow
        self.begins = begins


class IamportRefused(IamportError):
    """i'mport said no: its ``code`` and ``message`` as they came."""

    def __init__(self, message: str, *, code: int, status_code: int) -> None:
        super().__init__(message)
        self.code = code
        self.status_code = status_code


class WrongCredentials(IamportError):
    """i'mport turned ``imp_key`` and ``imp_secret`` down."""


class MalformedPayment(IamportError):
    """One payment of an answer is unusable; ``imp_uid`` where it could be read."""

    def __init__(self, message: str, *, imp_uid: str | None = None) -> None:
        super().__init__(message)
        self.imp_uid = imp_uid


class Unreadable(RelayError):
    """An encrypted value that none of the given keys opens."""
