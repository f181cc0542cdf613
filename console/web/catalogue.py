"""The catalogues of words in Korean and English, and the choice of a language for a reader."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from schemas.reasons.rendering import ENGLISH, Language

LANGUAGES = ("en", "ko")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language: its words by key (`payments.title`), and those of reasons."""

    code: str
    words: Mapping[str, str] = field(repr=False)
    reasons: Language = field(repr=False)

    def __call__(self, key: str, **values: Any) -> str:
        """The words of a key, with `{name}` filled in; a number `n` chooses between `key.one` and `key.other`."""
        text = self.words.get(key)
        if text is None and "n" in values:
            text = self.words.get(f"{key}.one" if values["n"] == 1 else f"{key}.other")
        if text is None:
            return key
        return text.format_map(values) if values else text

    def named(self, group: str, name: str) -> str:
        """The words for a value of the API, such as a status; the value itself if the catalogue lacks it."""
        return self.words.get(f"{group}.{name}", name)


@cache
def catalogue_of(code: str) -> Catalogue:
    """The catalogue of a language."""
    rows = tomllib.loads((files("console") / "i18n" / f"{code}.toml").read_text("utf-8"))
    if code == "en":
        return Catalogue(code, _flat(rows), ENGLISH)
    reasons = Language(rows.pop("reason"), _flat(rows.pop("choice")))
    return Catalogue(code, _flat(rows), reasons)


def _flat(rows: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in rows.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def preferred(chosen: str | None, accept: str | None) -> str:
    """The language that was chosen, else the first of ours in an `Accept-Language` header (RFC 9110 §12.5.4)."""
    if chosen in LANGUAGES:
        return chosen
    ranked = []
    for place, part in enumerate((accept or "").split(",")[:20]):
        tag, _, weight = part.strip().partition(";")
        ranked.append((-_weight(weight), place, tag.lower().partition("-")[0]))
    return next((tag for weight, _, tag in sorted(ranked) if tag in LANGUAGES and weight < 0), LANGUAGES[0])


def _weight(text: str) -> float:
    match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", text)
    return float(match[1]) if match else 1.0
