"""Errors as every process answers them over HTTP: problems of RFC 9457."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from schemas.reasons import Reason, english

MEDIA_TYPE = "application/problem+json"


def problem_members(status: int, reason: Reason) -> dict[str, Any]:
    """The members that every problem has: `detail` is for people, `reason_code` for programs."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": english(reason),
        "reason_code": reason.decisive,
    }
