"""Icons as inline SVG: nothing is loaded, and no icon font is needed."""

from __future__ import annotations

from markupsafe import Markup

_PATHS = {
    "ok": "M3 8.5l3.2 3.2L13 4.8",
    "bad": "M4 4l8 8M12 4l-8 8",
    "warn": "M8 2.2l6.3 11.3H1.7zM8 6.5v3M8 11.4v.2",
    "wait": "M8 2a6 6 0 100 12A6 6 0 008 2zM8 4.8V8l2.3 1.6",
    "off": "M8 2a6 6 0 100 12A6 6 0 008 2zM3.9 3.9l8.2 8.2",
    "info": "M8 2a6 6 0 100 12A6 6 0 008 2zM8 7.3v3.6M8 5v.2",
    "overview": "M2 9.5h3V14H2zM6.5 2h3v12h-3zM11 6h3v8h-3z",
    "figures": "M1.8 13.6h12.4M3 11l3.4-4 2.8 2.4L13.4 3M10.4 3h3v3",
    "payments": "M1.8 3.8h12.4v8.6H1.8zM1.8 6.6h12.4M4 10h2.6",
    "events": "M9.2 1.6L3 9h4.2l-.6 5.4L13 7H8.6z",
    "deliveries": "M1.8 8h10.4M8.6 4.2L12.6 8l-4 3.8",
    "endpoints": "M8 5.6a2.4 2.4 0 100 4.8 2.4 2.4 0 000-4.8zM8 1.6v4M8 10.4v4M1.6 8h4M10.4 8h4",
    "replays": "M13.4 8a5.4 5.4 0 11-1.7-3.9M13.2 1.8v2.9h-2.9",
    "notifications": "M3.2 11.6h9.6c-1-1-1.2-2-1.2-4.4a3.6 3.6 0 10-7.2 0c0 2.4-.2 3.4-1.2 4.4zM6.6 13.8h2.8",
    "reconciliations": "M2 5h9.6M9.2 2.4L11.8 5 9.2 7.6M14 11H4.4M6.8 8.4L4.2 11l2.6 2.6",
    "merchants": "M2.4 6.8v6.8h11.2V6.8M1.6 6.6L3 2.4h10l1.4 4.2zM6.2 13.6V9.8h3.6v3.8",
    "audit": "M3.4 1.8h9.2v12.4H3.4zM5.6 5h4.8M5.6 8h4.8M5.6 11h2.6",
    "file": "M8 2v7.6M4.8 6.6L8 9.8l3.2-3.2M2.4 11.4v2.4h11.2v-2.4",
    "settings": "M2 4.4h6.6M12.2 4.4H14M2 11.6h1.6M7.2 11.6H14M8.8 2.6h3.4v3.6H8.8zM3.8 9.8h3.4v3.6H3.8z",
    "search": "M7 2.4a4.6 4.6 0 100 9.2 4.6 4.6 0 000-9.2zM10.4 10.4L14 14",
    "copy": "M5.4 5.4h8.2v8.2H5.4zM10.6 5.4V2.4H2.4v8.2h3",
    "look": "M1.4 8S4 3.6 8 3.6 14.6 8 14.6 8 12 12.4 8 12.4 1.4 8 1.4 8M6.2 8a1.8 1.8 0 103.6 0 1.8 1.8 0 10-3.6 0",
    "plus": "M8 3v10M3 8h10",
}


def icon(name: str) -> Markup:
    """An icon. It is hidden from screen readers, because the words beside it say the same."""
    return Markup(
        '<svg class="icon icon-{}" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">'
        '<path d="{}"/></svg>'
    ).format(name, _PATHS[name])
