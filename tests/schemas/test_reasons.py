"""Reasons: what is registered is what is made, they survive being stored, and their English words are whole."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from cli.failure import CommandFailed
from console.web.catalogue import LANGUAGES, catalogue_of
from schemas.errors import Invalid, RelayError
from schemas.reasons import Reason, dump, english, load, stored
from schemas.reasons.codes import CAUSED, CODES, KINDS, Kind
from schemas.reasons.english_words import CHOICES
from schemas.reasons.rendering import ENGLISH, Piece, pieces, rendered
from tests.support.reasons import sample

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "runtime", "ledger", "history", "iamport", "receiver", "workers", "console", "sandbox", "cli")


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """Every call in production code, with the name of what is called."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    yield path, node, name


def literals(node: ast.expr) -> Iterator[str]:
    """The texts that an argument may be."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def test_what_is_made_is_registered() -> None:
    """Every `Reason.of` names a registered code and exactly its parameters."""
    count = 0
    for path, call, name in calls():
        if name != "of" or not (isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "Reason"):
            continue
        given = {keyword.arg for keyword in call.keywords}
        first = call.args[0]
        is_fixed = isinstance(first, ast.Constant)
        for code in (text for text in literals(first) if is_fixed or text in CODES):
            assert set(CODES[code]) == given, (path, code, given)
            count += 1
    assert count > 100


def test_what_is_registered_is_made() -> None:
    """A code that neither Python nor Lua makes any more is not kept."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.parent.name != "reasons"]
    text = "".join(path.read_text() for path in files)
    scripts = "".join(path.read_text() for path in (ROOT / "ledger" / "scripts").rglob("*.lua"))
    kept = {"unknown_reason"}
    assert [code for code in CODES.keys() - kept if f'"{code}"' not in text + scripts] == []


def test_an_error_has_a_reason() -> None:
    """Not a sentence: only a setting that is wrong and the command line's own errors take a text."""
    texts = {"BadSetting", *map(class_name, subclasses(CommandFailed))}
    relay = {class_name(of): 1 if of is Invalid else 0 for of in subclasses(RelayError)}
    assert len(relay) > 20
    assert relay.keys().isdisjoint(texts)
    count = 0
    for path, call, name in calls():
        if name in relay and len(call.args) > (place := relay[name]) and name != "BadNotification":
            assert not isinstance(call.args[place], ast.JoinedStr | ast.Constant), (path, ast.unparse(call))
            count += 1
    assert count > 50


def subclasses(of: type[Exception]) -> Iterator[type[Exception]]:
    """A class and all classes below it."""
    yield of
    for one in of.__subclasses__():
        yield from subclasses(one)


def class_name(of: type[Exception]) -> str:
    """Its name, as code calls it."""
    return of.__name__


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", sorted(CODES))
def test_a_reason_whose_words_need_a_cause_has_one(code: str, language: str) -> None:
    """It cannot be made without, in whichever language it is shown; every other one reads well without."""
    template = catalogue_of(language).reasons.templates[code]
    assert ("{cause}" in re.sub(r"\[[^\]]*\]", "", template)) == (code in CAUSED)
    params = sample(code).params
    if code in CAUSED:
        with pytest.raises(ValueError, match="needs a cause"):
            Reason(code, params)
        assert load(orjson.dumps({"code": code, "params": params})).code == "unknown_reason"
    else:
        words = rendered(Reason(code, params), catalogue_of(language).reasons, lambda _kind, value: str(value))
        assert not re.search(r"\(\)|[:;,(] ?$|^[;:,]", words), words


def test_scripts_make_codes_only() -> None:
    """No Lua script composes a sentence: a literal of several words is a Redis argument or a pattern, never English."""
    count = 0
    for path in (ROOT / "ledger" / "scripts").rglob("*.lua"):
        code = "\n".join(line.partition("--")[0] for line in path.read_text().splitlines())
        for match in re.finditer(r'"([^"\n]*)"', code):
            assert not re.search(r"[a-z]{2,} [a-z]{2,}", match[1]), (path, match[1])
        for made in re.finditer(r"because\(([^)]*)", code):
            for name in re.findall(r'"(\w+)"', made[1]):
                if path.name != "reasons.lua" and "before ==" not in made[1]:
                    assert name in CODES, (path, name)
                    count += 1
    assert count > 5


def test_nothing_reads_a_sentence() -> None:
    """No pattern, and no splitting, takes the words of a reason apart; the words of a template stand in one place."""
    lines = [max(re.split(r"[\[\]{}]", text), key=len).strip() for text in ENGLISH.templates.values()]
    long = [line for line in lines if len(line) > 18]
    assert len(long) > 100
    for package in set(PACKAGES) - {"sandbox"}:  # it plays i'mport, with words of its own
        for path in (ROOT / package).rglob("*.py"):
            if path.name == "english_words.py":
                continue
            text = path.read_text()
            assert [line for line in long if f'"{line}' in text] == [], path
            assert not re.search(r"\bre\.\w+\([^)]*\b(?:reason|disabled_reason|trouble|detail)\b\W*\)", text), path
            assert not re.search(r'(?:reason|trouble)"?\]?\.r?(?:partition|split)\(', text), path


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_reason_survives_being_stored(code: str) -> None:
    """With its parameters and its cause."""
    reason = sample(code).because(sample("retry_scheduled"))
    assert load(dump(reason)) == reason
    assert stored(dump(reason).decode()) == reason


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_reason_has_english_words(code: str) -> None:
    """With every parameter in it, and nothing else to fill in."""
    complete(sample(code), list(pieces(sample(code), ENGLISH)))
    assert english(sample(code))


def complete(reason: Reason, made: list[Piece]) -> None:
    """Each parameter is shown, in a part of its own or as one of its words."""
    shown = [str(piece.value) for piece in made]
    for name, value in reason.params.items():
        words = CHOICES.get(f"{name}.{value}") if KINDS.get(name) is Kind.CHOICE else str(value)
        assert any(words in (part, part.strip("'")) for part in shown), (reason.code, name)
    assert not re.search(r"[{}\[\]]", "".join(str(piece.value) for piece in made if piece.kind is None))


def test_only_registered_reasons_can_be_made() -> None:
    """An unregistered code, a parameter too few or too many."""
    for code, params in (("no_such_code", {}), ("breaker_open", {"until": 1.0}), ("being_sent", {"at": 1.0})):
        with pytest.raises(ValueError, match="no reason is registered"):
            Reason(code, params)


def test_what_a_newer_version_wrote_is_shown_as_it_is() -> None:
    """Its code; and a text that is no reason is shown, too."""
    assert english(load('{"code":"from_the_future","params":{"x":1}}')) == "from_the_future"
    assert english(load('{"code":"being_sent","params":{"x":1}}')) == "being_sent"
    for text in ("written by hand", "[1]", "7", '{"code":1}'):
        assert load(text).code == "unknown_reason"
    assert stored("") is None
    assert stored(None) is None


def test_causes_follow_what_they_cause() -> None:
    """A cause stands where the template places it, else behind a semicolon; parts without a value are left out."""
    failed = Reason.of("no_answer", Reason.of("connection_refused"))
    last = Reason.of("retry_scheduled", failed)
    assert english(last) == "the last attempt failed: connection refused"
    paused = Reason.of("retry_after", until=1_800_000_000).because(last)
    assert english(paused) == (
        "the endpoint asked for a pause (Retry-After) until 2027-01-15T08:00:00Z; "
        "the last attempt failed: connection refused"
    )
    waiting = Reason.of("waiting", paused, attempts=1, due=None)
    assert english(waiting).endswith("refused (1 attempt so far)")
    assert english(Reason.of("waiting", last, attempts=2, due=1_800_000_000)).endswith(
        "(2 attempts so far; the next is due at 2027-01-15T08:00:00Z)"
    )
    assert english(Reason.of("endpoint_disabled")) == "the endpoint is disabled"
    codes = list[str]()
    behind: Reason | None = waiting
    while behind is not None:
        codes.append(behind.code)
        behind = behind.cause
    assert codes == ["waiting", "retry_after", "retry_scheduled", "no_answer", "connection_refused"]


def test_a_frame_has_the_code_of_its_cause() -> None:
    """Programs get the code of why it waits, not of that it waits."""
    paused = Reason.of("rate_limited", until=1)
    assert Reason.of("waiting", paused, attempts=0, due=None).decisive == "rate_limited"
    assert paused.decisive == "rate_limited"
