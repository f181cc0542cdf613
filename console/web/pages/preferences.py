"""A reader's preferences: language, colours, time zone."""

from __future__ import annotations

from console.web import addresses
from console.web.catalogue import LANGUAGES
from console.web.cookies import PREFERENCES
from console.web.rendering import THEMES
from console.web.time_display import ZONES
from console.web.visit import PageResult, PageRoute, Redirect, Visit

_CHOICES = {"language": LANGUAGES, "theme": THEMES, "zone": tuple(ZONES)}


async def prefer(visit: Visit) -> PageResult:
    """Remember the choice, and return to the page where the reader was."""
    chosen = {name: visit.form.get(name) for name in PREFERENCES if visit.form.get(name) in _CHOICES[name]}
    return Redirect(addresses.local(visit.form.get("back")), preferences=chosen)


PAGES = (PageRoute("/preferences", prefer, "POST", public=True),)
