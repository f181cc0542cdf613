"""Reasons for tests: any reason at all, and a reason's English words."""

from __future__ import annotations

from schemas.reasons import Reason, english


def because(words: str) -> Reason:
    """A reason with these English words, for tests that only need some reason."""
    return Reason.of("iamport_message", message=words)


def said(reason: Reason | None) -> str:
    """A reason in English; nothing where there is none."""
    return "" if reason is None else english(reason)
