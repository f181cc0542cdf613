"""Korean and English: catalogues in plain files, which of them a reader wants, and sentences of the API in Korean."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "ko")
_NESTED = re.compile(r"reason\d?")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language: its words by key (`payments.title`), and patterns of the API's sentences with what they mean."""

    code: str
    words: Mapping[str, str] = field(repr=False)
    sentences: tuple[tuple[re.Pattern[str], str], ...] = field(default=(), repr=False)

    def __call__(self, key: str, **values: Any) -> str:
        """The words of a key, with `{name}` filled in; a number `n` chooses between `key.one` and `key.other`."""
        text = self.words.get(key)
        if text is None and "n" in values:
            text = self.words.get(f"{key}.one" if values["n"] == 1 else f"{key}.other")
        if text is None:
            return key
        return text.format_map(values) if values else text

    def named(self, group: str, name: str) -> str:
        """The words for a value of the API, such as a status; the value itself where it is a new one."""
        return self.words.get(f"{group}.{name}", name)

    def sentence(self, text: str) -> str:
        """A sentence of the API in this language; one that no pattern knows stays as it is."""
        for pattern, meaning in self.sentences:
            match = pattern.fullmatch(text)
            if match:
                groups = {
                    name: self.sentence(value or "") if _NESTED.fullmatch(name) else value or ""
                    for name, value in match.groupdict().items()
                }
                return meaning.format_map(groups)
        return text

    def knows(self, text: str) -> bool:
        """Whether `sentence` gives this language, rather than the API's English."""
        return self.code == "en" or self.sentence(text) != text


@cache
def tongue(code: str) -> Catalogue:
    """The catalogue of a language."""
    rows = tomllib.loads((files("console") / "i18n" / f"{code}.toml").read_text("utf-8"))
    sentences = tuple((re.compile(one["english"], re.DOTALL), one["means"]) for one in rows.pop("sentences", ()))
    return Catalogue(code, _flat(rows), sentences)


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
