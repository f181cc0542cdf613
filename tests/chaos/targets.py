"""What the fuzzers throw bytes at: the intake of webhooks, and i'mport's answers all the way to facts and events.

A target returns for every input, or raises: then the input is a find.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from iamport.http_exchange import HttpResponse
from iamport.responses import parse_page, parse_payments, unwrap
from receiver import spool_codec
from schemas import wire
from schemas.errors import BadNotification, IamportError, MalformedPayment, UnsupportedContentType
from schemas.payments import codec
from schemas.payments.decide import Policy, Record, decide
from schemas.payments.extra import EXTRA_BYTES
from schemas.payments.notification import Notification, parse
from schemas.payments.snapshot import Snapshot

_CONTENT_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=euc-kr",
    "application/json; charset=utf-8",
)
_NOW = 1_900_000_000
_ASKED = ("imp_1", "imp_2")
_STATUSES = (200, 207, 404, 401, 429, 500)
_IMP_UID = re.compile(r"[A-Za-z0-9_-]{1,32}")


def webhook(data: bytes) -> None:
    """The first byte chooses the content type, the rest is the body."""
    content_type = _CONTENT_TYPES[data[0] % len(_CONTENT_TYPES)] if data else ""
    try:
        claim = parse(data[1:], content_type)
    except (BadNotification, UnsupportedContentType):
        return
    assert _IMP_UID.fullmatch(claim.imp_uid), claim.imp_uid
    assert len(claim.extra) <= EXTRA_BYTES
    for text in (claim.merchant_uid, claim.status, claim.cancellation_id):
        assert text is None or text.isprintable()
    notification = Notification(
        id="ntf_1", merchant="default", imp_uid=claim.imp_uid, merchant_uid=claim.merchant_uid, status=claim.status,
        cancellation_id=claim.cancellation_id, source="127.0.0.1", verified=True, received_at=1.5, extra=claim.extra,
        token_hash=None,
    )  # fmt: skip
    assert spool_codec.decode(spool_codec.encode(notification)) == notification


def answer(data: bytes) -> None:
    """The first byte chooses the status, the rest is the body; what it shows of payments is looked at twice."""
    said = HttpResponse(_STATUSES[data[0] % len(_STATUSES)] if data else 200, data[1:])
    try:
        response = unwrap(said)
        found = list(parse_payments(response, _ASKED).found.values()) if isinstance(response, list) else []
        found += parse_page(response).rows if isinstance(response, dict) else []
    except IamportError:
        return
    for row in found:
        try:
            snapshot = Snapshot.parse(row)
        except MalformedPayment:
            continue
        change = decide(Record("default", snapshot.imp_uid), snapshot, _NOW, Policy())
        assert decide(change.record, snapshot, _NOW, Policy()).has_events is False
        for place, fact in enumerate(change.record.facts.values()):
            codec.dump_fact(fact, place)
        codec.dump_record(change.record)
        for event in change.events:
            wire.loads(event.body)


TARGETS: dict[str, Callable[[bytes], None]] = {"webhook": webhook, "answer": answer}
