"""Sentences of the API for readers: in their language, times on their clock, ids as short links."""

from __future__ import annotations

import re

from markupsafe import Markup

from console.web.time_display import Clock

_PARTS = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
    r"|(?P<delivery>evt_[a-z0-9]{8,}\.ep_[a-z0-9]{8,})|(?P<event>evt_[a-z0-9]{8,})|(?P<endpoint>ep_[a-z0-9]{8,})"
)
_PAGES = {"delivery": "deliveries", "event": "events", "endpoint": "endpoints"}
_SHOWN = 12
"""Characters of an id that are enough to know it by."""


def spoken(text: str, clock: Clock) -> Markup:
    """What a sentence of the API says; English stays marked as such where there is no translation."""
    said = _linked(clock.tongue.sentence(text), clock)
    return said if clock.tongue.knows(text) else Markup('<span lang="en">{}</span>').format(said)


def _linked(text: str, clock: Clock) -> Markup:
    html, end = Markup(""), 0
    for match in _PARTS.finditer(text):
        html += Markup.escape(text[end : match.start()])
        kind, found = match.lastgroup or "time", match[0]
        if kind == "time":
            html += clock.when(found, ago=False)
        else:
            html += Markup('<a href="/{}/{}" title="{}"><code>{}…</code></a>').format(
                _PAGES[kind], found, found, found[:_SHOWN]
            )
        end = match.end()
    return html + Markup.escape(text[end:])
