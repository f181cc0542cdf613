"""URLs of history: what they mean, and what is wrong with others, without showing a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.history_url import HistoryUrl, HistoryUrlError, parse


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("sqlite:///var/history.db", HistoryUrl(file=Path("var/history.db"))),
        ("sqlite:////data/history%20one.db", HistoryUrl(file=Path("/data/history one.db"))),
        ("postgresql://db/relay", HistoryUrl(host="db", database="relay")),
        (
            "postgresql://u%40x:p%3Aw@[::1]:6000/relay?sslmode=require",
            HistoryUrl(
                host="::1", port=6000, user="u@x", password="p:w", database="relay", options={"sslmode": "require"}
            ),
        ),
        ("postgresql:///relay?host=/run/pg", HistoryUrl(host="/run/pg", database="relay")),
    ],
)
def test_what_it_means(text: str, means: HistoryUrl) -> None:
    """A file, or a server's database."""
    assert parse(text) == means
    assert "p:w" not in repr(parse(text)) + str(parse(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("postgres://db/relay", "must be postgresql://"),
        ("mysql://db/relay", "must begin with sqlite:// or postgresql://"),
        ("var/history.db", "must begin with sqlite:// or postgresql://"),
        ("sqlite://var/history.db", "three slashes"),
        ("sqlite:///", "name of the file"),
        ("sqlite:///var/", "name of the file"),
        ("sqlite:///:memory:", "has to be a file"),
        ("sqlite:///a.db?mode=ro", "no options"),
        ("postgresql:///relay", "host is missing"),
        ("postgresql://db", "name of the database"),
        ("postgresql://db/a/b", "name of the database"),
        ("postgresql://db:port/relay", "host or port"),
        ("postgresql://u:geheim@heim@db/relay", "%40"),
        ("postgresql://u:geheim @db/relay", "percent-encoded"),
        ("postgresql://u:geheim#1@db/relay", "percent-encoded"),
        ("postgresql://db/relay?geheim=1", "unknown"),
        ("postgresql://db/relay?sslmode=geheim", "sslmode takes"),
    ],
)
def test_what_is_wrong(text: str, why: str) -> None:
    """In words that show nothing secret."""
    with pytest.raises(HistoryUrlError, match=why) as found:
        parse(text)
    assert "geheim" not in str(found.value)
