"""Reasons in words: templates of any language are filled in here, and here only.

In a template `{name}` is a parameter, `{name!r}` the same in quotes, `{name:attempt|attempts}` a count with the noun
for one and for several, `{cause}` the words of the cause. A section in square brackets is left out if a parameter (or
the cause) in it is absent. If a template does not place its cause, the cause follows after a semicolon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter

from schemas.durations import format_duration
from schemas.reasons.codes import KINDS, Kind
from schemas.reasons.english_words import CHOICES, TEMPLATES
from schemas.reasons.reason import Reason, Value
from schemas.times import rfc3339

_SECTION = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Language:
    """`templates` by code. `choices` are the words for parameters of kind `CHOICE`: those for the value `merchant` of
    the parameter `kind` are at `kind.merchant`."""

    templates: Mapping[str, str]
    choices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence: words if `kind` is None, else a value to be shown by its kind."""

    kind: Kind | None
    value: Value


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    quoted: bool
    nouns: tuple[str, ...]


def pieces(reason: Reason, language: Language) -> Iterator[Piece]:
    """A reason in the words of a language, with its causes, part by part."""
    sections = _parsed(language.templates[reason.code])
    placed = False
    for is_optional, parts in sections:
        names = [part.name for part in parts if isinstance(part, _Field)]
        if is_optional and any(_absent(reason, name) for name in names):
            placed = placed or "cause" in names
            continue
        for part in parts:
            if isinstance(part, str):
                yield Piece(None, part)
            elif part.name == "cause":
                placed = True
                if reason.cause is not None:
                    yield from pieces(reason.cause, language)
            else:
                yield from _shown(part, reason.params[part.name], language)
    if not placed and reason.cause is not None:
        yield Piece(None, "; ")
        yield from pieces(reason.cause, language)


def rendered(reason: Reason, language: Language, show: Callable[[Kind, Value], str]) -> str:
    """A reason as one text; `show` writes the values."""
    return "".join(
        str(piece.value) if piece.kind is None else show(piece.kind, piece.value) for piece in pieces(reason, language)
    )


def english(reason: Reason) -> str:
    """A reason in English, with times as RFC 3339 writes them."""
    return rendered(reason, ENGLISH, _plain)


def _plain(kind: Kind, value: Value) -> str:
    if value is None:
        return "unknown"
    if kind is Kind.TIME:
        return rfc3339(float(value))
    if kind is Kind.DURATION:
        return format_duration(float(value))
    return str(value)


def _absent(reason: Reason, name: str) -> bool:
    return reason.cause is None if name == "cause" else reason.params[name] is None


def _shown(field: _Field, value: Value, language: Language) -> Iterator[Piece]:
    kind = KINDS.get(field.name, Kind.TEXT)
    if kind is Kind.CHOICE:
        yield Piece(None, language.choices.get(f"{field.name}.{value}", str(value)))
        return
    yield Piece(kind, repr(value) if field.quoted else value)
    if field.nouns:
        yield Piece(None, f" {field.nouns[0] if value == 1 else field.nouns[-1]}")


@cache
def _parsed(template: str) -> tuple[tuple[bool, tuple[str | _Field, ...]], ...]:
    """The sections of a template, each with whether it is optional."""
    found = []
    # Splitting at a group yields texts outside and inside of brackets in turn.
    for place, text in enumerate(_SECTION.split(template)):
        parts: list[str | _Field] = []
        for literal, name, spec, conversion in Formatter().parse(text):
            if literal:
                parts.append(literal)
            if name is not None:
                parts.append(_Field(name, conversion == "r", tuple(spec.split("|")) if spec else ()))
        found.append((place % 2 == 1, tuple(parts)))
    return tuple(found)


ENGLISH = Language(TEMPLATES, CHOICES)
