"""Reasons for readers: in their language, times on their clock, ids as short links."""

from __future__ import annotations

from markupsafe import Markup

from console.web.time_display import Clock
from schemas.durations import format_duration
from schemas.reasons import Reason
from schemas.reasons.codes import Kind
from schemas.reasons.reason import Value
from schemas.reasons.rendering import pieces, rendered

_PAGES = {Kind.DELIVERY: "deliveries", Kind.EVENT: "events", Kind.ENDPOINT: "endpoints"}
_SHOWN = 12
"""Characters of an id that are enough to recognise it."""


def as_html(reason: Reason | None, clock: Clock) -> Markup:
    """A reason as HTML; empty without one. Texts that exist in English only are marked as English."""
    html = Markup("")
    if reason is not None:
        for piece in pieces(reason, clock.catalogue.reasons):
            html += Markup.escape(piece.value) if piece.kind is None else _html(piece.kind, piece.value, clock)
    return html


def as_text(reason: Reason, clock: Clock) -> str:
    """A reason as text, to be put into another sentence."""
    return rendered(reason, clock.catalogue.reasons, lambda kind, value: _text(kind, value, clock))


def _html(kind: Kind, value: Value, clock: Clock) -> Markup:
    if kind is Kind.TIME and isinstance(value, int | float):
        return clock.when(value, ago=False)
    if kind in _PAGES:
        text = str(value)
        return Markup('<a href="/{}/{}" title="{}"><code>{}…</code></a>').format(
            _PAGES[kind], text, text, text[:_SHOWN]
        )
    if kind is Kind.ENGLISH and clock.catalogue.code != "en":
        return Markup('<span lang="en">{}</span>').format(value)
    return Markup.escape(_text(kind, value, clock))


def _text(kind: Kind, value: Value, clock: Clock) -> str:
    if kind is Kind.TIME and isinstance(value, int | float):
        return clock.text(value)
    if kind is Kind.DURATION and isinstance(value, int | float):
        return format_duration(value)
    return str(value)
