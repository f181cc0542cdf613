"""Reasons for tests: any reason at all, and a reason's English words."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.reasons import Reason, english
from schemas.reasons.codes import CODES
from schemas.reasons.english_words import TEMPLATES


def because(words: str) -> Reason:
    """A reason with these English words, for tests that only need some reason."""
    return Reason.of("iamport_message", message=words)


def said(reason: Reason | None) -> str:
    """A reason in English; nothing where there is none."""
    return "" if reason is None else english(reason)


def sample(code: str) -> Reason:
    """A reason of this code with every parameter it has, and a cause where its words have a place for one."""
    params = {name: _SAMPLES.get(name, name.upper()) for name in CODES[code]}
    takes_cause = "{cause}" in TEMPLATES[code]
    return Reason(code, params, Reason.of("http_answer", status=503) if takes_cause else None)


_SAMPLES: Mapping[str, str | float] = {
    **dict.fromkeys(("at", "due", "expires", "since", "until"), 1_795_433_533.0),
    **dict.fromkeys(("attempts", "failures", "percent", "events", "replicas", "most", "secrets", "bytes", "status"), 7),
    "database": "queue", "kind": "merchant", "network": "private", "state": "confirmed", "timeout": 15.0,
    "delivery": "evt_7ex42c4muj7ex42c4muj.ep_smm5j22iiisyiojaaphw", "endpoint": "ep_smm5j22iiisyiojaaphw",
}  # fmt: skip
