"""Logs: one JSON line an event, nothing private in it."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from runtime.logging import BURST, configure, masked


class Lines(io.StringIO):
    """A stream whose lines can be read as objects."""

    def last(self) -> dict[str, Any]:
        """The newest line."""
        found = json.loads(self.getvalue().splitlines()[-1])
        assert isinstance(found, dict)
        return found


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logging is of the whole process: what a test sets up is undone after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines() -> Lines:
    """Logging as a process sets it up, into memory."""
    stream = Lines()
    configure("json", "info", stream)
    return stream


def test_one_line_has_event_fields_level_and_time(lines: Lines) -> None:
    """The name of the event, its fields, level and an RFC 3339 time in UTC."""
    structlog.get_logger().info("webhook_accepted", merchant="default", imp_uid="imp_448280090638")
    line = lines.last()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "webhook_accepted",
        "merchant": "default",
        "imp_uid": "imp_448280090638",
        "level": "info",
    }


def test_lines_below_the_level_are_dropped(lines: Lines) -> None:
    """`debug` is silent at `info`, from structlog and from the standard library."""
    structlog.get_logger().debug("too_much")
    logging.getLogger("dramatiq").debug("too much")
    logging.getLogger("httpx").info("HTTP Request: GET https://api.iamport.kr")
    assert lines.getvalue() == ""


def test_other_libraries_lines_take_the_same_way(lines: Lines) -> None:
    """What Dramatiq and uvicorn say is JSON too, and masked."""
    logging.getLogger("dramatiq").warning("cannot reach %s", "redis://:hunter2@host/0")
    line = lines.last()
    assert (line["event"], line["logger"], line["level"]) == (
        "cannot reach redis://***@host/0",
        "dramatiq",
        "warning",
    )


def test_an_exception_is_part_of_its_line(lines: Lines) -> None:
    """A traceback does not break the rule of one line, and is masked as well."""
    try:
        raise RuntimeError("card 4111 1111 1111 1111")
    except RuntimeError:
        structlog.get_logger().exception("went_wrong")
    assert len(lines.getvalue().splitlines()) == 1
    assert "RuntimeError: card ***" in lines.last()["exception"]


@pytest.mark.parametrize(
    "name",
    ["buyer_name", "buyer_tel", "card_number", "imp_secret", "access_token", "Authorization", "imp_key", "custom_data",
     "vbank_num", "secrets", "encryption_keys", "refund_account", "depositor_name"],
)  # fmt: skip
def test_private_names_are_masked_whatever_they_hold(name: str) -> None:
    """Buyers' data, card data and secrets are hidden by their names, at any depth."""
    assert masked(name, "x") == "***"
    assert masked("payment", {"rows": [{name: "x"}]}) == {"rows": [{name: "***"}]}
    assert masked(name, 5512341234) == "***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4111111111111111", "***"),
        ("4111-1111-1111-1111", "***"),
        ("paid with 5500 0000 0000 0004 today", "paid with *** today"),
        ("card_4111111111111111", "card_***"),
        ("1234567890123", "***"),
        ("imp_448280090638", "imp_448280090638"),
        ("imp_1234567890123", "imp_1234567890123"),
        ("2026-11-23T01:02:03.123456Z", "2026-11-23T01:02:03.123456Z"),
        ("Bearer abc.def", "Bearer ***"),
        ("whsec_c2VjcmV0", "whsec_***"),
        ("rediss://user:pw@host:6380/0", "rediss://***@host:6380/0"),
    ],
)
def test_card_numbers_and_credentials_are_masked_inside_text(text: str, shown: str) -> None:
    """Numbers of 13 to 19 digits and credentials are hidden wherever they stand; ids and times stay."""
    assert masked("note", text) == shown


def test_anything_can_be_logged(lines: Lines) -> None:
    """A field that JSON does not know is written as text; a log call never raises for its fields."""
    structlog.get_logger().info("odd", body=b"\xff", text="\ud800", number=2**70, items={"a"}, nothing=None)
    line = lines.last()
    assert (line["body"], line["number"], line["items"], line["nothing"]) == ("b'\\xff'", 2**70, ["a"], None)


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    """A full disk under the log file does not turn webhooks away."""

    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    configure("json", "info", Full())
    structlog.get_logger().info("webhook_accepted")
    logging.getLogger("dramatiq").warning("cannot reach Redis")


def test_people_get_plain_text_where_there_is_no_terminal() -> None:
    """`console` writes readable lines, without colours into a file."""
    stream = io.StringIO()
    configure("console", "info", stream)
    structlog.get_logger().info("webhook_accepted", merchant="default")
    assert "webhook_accepted" in stream.getvalue()
    assert "merchant=default" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_flood_of_one_event_is_counted_instead_of_written(lines: Lines) -> None:
    """At `info` a second brings so many lines of one event and no more; other events and warnings are not concerned."""
    log = structlog.get_logger()
    for _ in range(3000):
        log.info("delivery_attempted")
    flood = lines.getvalue().count("delivery_attempted")
    assert BURST <= flood < 2000
    log.info("event_recorded")
    log.warning("delivery_attempted")
    assert [json.loads(line)["level"] for line in lines.getvalue().splitlines()[-2:]] == ["info", "warning"]


def test_at_debug_every_line_is_written() -> None:
    """Every line may be needed to find a bug."""
    stream = Lines()
    configure("json", "debug", stream)
    for _ in range(1000):
        structlog.get_logger().info("delivery_attempted")
    assert len(stream.getvalue().splitlines()) == 1000


def test_a_log_that_nobody_reads_holds_nobody_up() -> None:
    """A pipe whose reader hangs is full after 64 KiB: lines are dropped and counted, the rest is written later."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w", encoding="utf-8") as stream:
        configure("json", "warning", stream)
        log = structlog.get_logger()
        for number in range(300):
            log.warning("webhook_refused", number=number, text="가" * 1000)
        os.set_blocking(reading, False)
        first = reader.read()
        log.warning("after")
        rest = [orjson.loads(line) for line in reader.read().splitlines() if line.startswith(b"{")]
    numbers = [orjson.loads(line)["number"] for line in first.splitlines() if line.endswith(b"}")]
    assert numbers == list(range(len(numbers)))
    assert [line["event"] for line in rest] == ["log_lines_dropped", "after"]
    assert rest[0]["count"] == 300 - len(numbers)
