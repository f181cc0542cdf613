"""Pages as HTML: Jinja with autoescape, and the functions that every template can use."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlencode

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request

from console.operations.history_state import HistoryState
from console.web import addresses, icons
from console.web.alert_levels import level
from console.web.catalogue import Catalogue
from console.web.reason_display import as_html, as_text
from console.web.static import Static
from console.web.time_display import ZONES, Clock, length
from console.web.visit import View, Visit
from schemas.payments.buyer_masking import masked
from schemas.reasons import stored

THEMES = ("auto", "light", "dark")
_SHOWING = ("/show", "/test", "/secret", "/rotate")
_SCRIPTED = ("time.", "script.")


class Rendering:
    """Renders views as HTML."""

    def __init__(self, static: Static) -> None:
        self._jinja = _templates()
        self._static = static

    def page(
        self,
        view: View,
        visit: Visit,
        *,
        csrf: str,
        notice: Mapping[str, Any] | None = None,
        history: HistoryState | None = None,
    ) -> str:
        """The whole page. It shows a warning if `history` is not well."""
        values = self._values(view, visit, csrf) | {
            "notice": notice and _in_words(notice, visit.clock),
            "history_trouble": None if history is None or history.is_well else history,
        }
        return self._jinja.get_template(f"{view.template}.html").render(values)

    def parts(self, view: View, visit: Visit, csrf: str) -> dict[str, str]:
        """The live parts of a page, by name."""
        values = self._values(view, visit, csrf)
        return {name: self._jinja.get_template(f"parts/{name}.html").render(values) for name in view.live}

    def _values(self, view: View, visit: Visit, csrf: str) -> dict[str, Any]:
        clock, catalogue = visit.clock, visit.catalogue
        values: dict[str, Any] = {
            "t": catalogue,
            "when": clock.when,
            "clock": clock,
            "spoken": lambda reason: as_html(reason, clock),
            "lasting": lambda seconds: length(seconds, catalogue),
            "visit": visit,
            "session": visit.session,
            "may_act": visit.may_act,
            "theme": visit.theme,
            "form_key": csrf,
            "static": self._static.url,
            "here": visit.request.url.path,
            "back": _back(visit.request),
            "live": view.live,
            "words": _words(catalogue),
            **view.values,
        }
        values["ui"] = self._jinja.get_template("parts/ui.html").make_module(values)
        return values


@cache
def _templates() -> Environment:
    """The templates, compiled once in a process."""
    templates = Environment(
        loader=PackageLoader("console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(money=money, pretty=pretty, masked=masked, path_part=addresses.path_part, percent=percent)
    templates.globals.update(
        icon=icons.icon,
        level_of=level,
        zones=tuple(ZONES),
        themes=THEMES,
        with_query=with_query,
        payment_at=addresses.payment,
    )
    return templates


def _in_words(notice: Mapping[str, Any], clock: Clock) -> Mapping[str, Any]:
    """A notice with its reason, if it has one, in words."""
    why = stored(notice["values"].get("reason"))
    return notice if why is None else {**notice, "values": {**notice["values"], "reason": as_text(why, clock)}}


def _back(request: Request) -> str:
    """The address of the page that a reader sees. A form that shows something answers in place of its page."""
    address = addresses.requested(request)
    return address.rpartition("/")[0] if request.method == "POST" and address.endswith(_SHOWING) else address


def _words(catalogue: Catalogue) -> str:
    """The texts that scripts show, as JSON."""
    return orjson.dumps({key: word for key, word in catalogue.words.items() if key.startswith(_SCRIPTED)}).decode()


def money(amount: Any, currency: str = "") -> str:
    """An amount with its thousands apart, digit for digit: `1,004 KRW`."""
    if amount is None:
        return "–"
    number = Decimal(amount)
    return f"{number:,f} {currency}".rstrip()


def percent(share: float | None) -> str:
    """A share of 1 in percent: `99.5 %`. Only 1 becomes 100 %, and only 0 becomes 0 %."""
    if share is None:
        return "–"
    rounded = float(share) if share in (0, 1) else min(max(float(share), 0.001), 0.999)
    return f"{f'{rounded * 100:.1f}'.removesuffix('.0')} %"


def pretty(value: Any) -> str:
    """JSON for people; numbers keep their digits."""
    text = orjson.dumps(value, default=lambda number: orjson.Fragment(str(number)), option=orjson.OPT_INDENT_2)
    return text.decode()


def with_query(path: str, **parameters: Any) -> Markup:
    """A path with a query of the parameters that have a value."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return Markup.escape(f"{path}?{urlencode(given)}" if given else path)
