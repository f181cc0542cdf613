"""`relay export` and `relay audit` against a real console."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from history.export import Exports
from schemas.errors import HistoryUnavailable
from schemas.reasons import Reason
from tests.cli.test_commands import asked, console, relay
from tests.console.conftest import Console
from tests.support import machine

__all__ = ["console"]


def files(folder: Path) -> list[Path]:
    """All that is in a folder."""
    return list(folder.iterdir())


async def test_a_file_opens_in_a_spreadsheet(console: Console, tmp_path: Path) -> None:
    """Everything is in it, with Korean intact; and nothing stands beside it afterwards."""
    for number in range(3):
        await machine.seen(console.ledger, f"imp_{number}", name="제주 감귤, 5kg")
    file = tmp_path / "payments.csv"
    result = await relay(console, "export", "payments", "--format", "csv", "--output", str(file))
    assert (result.exit_code, result.stdout) == (0, f"3 payments are in {file}\n"), result.output
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [(row["imp_uid"], row["name"]) for row in rows] == [(f"imp_{n}", "제주 감귤, 5kg") for n in range(3)]
    assert files(tmp_path) == [file]


async def test_lines_go_to_standard_output(console: Console) -> None:
    """Without a file, each line is an object for another program."""
    await machine.seen(console.ledger, "imp_1")
    result = await relay(console, "export", "events", "--since", "2020-01-01T00:00:00Z", "--merchant", "default")
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()] == ["payment.paid"]
    assert (await relay(console, "export", "events", "--until", "2020-01-01T00:00:00Z")).stdout == ""


async def test_an_export_that_breaks_off_leaves_nothing(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """History goes away in the middle: one line, exit status 1, and the older file is as it was."""
    stream = Exports.stream

    async def broken(*given: object, **options: object):  # type: ignore[no-untyped-def]
        async for piece in stream(*given, **options):  # type: ignore[arg-type]
            yield piece
            raise HistoryUnavailable(Reason.of("history_timed_out"))

    await machine.seen(console.ledger, "imp_1")
    monkeypatch.setattr(Exports, "stream", broken)
    file = tmp_path / "payments.ndjson"
    file.write_text("older\n")
    result = await relay(console, "export", "payments", "--output", str(file))
    assert (result.exit_code, result.stderr.count("\n"), "broke off" in result.stderr) == (1, 1, True), result.output
    assert (files(tmp_path), file.read_text()) == ([file], "older\n")


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (("payments", "--since", "2026-11-02T00:00:00Z", "--until", "2026-11-01T00:00:00Z"), 1, "until"),
        (("payments", "--output", "/nowhere/at/all"), 1, "cannot be written"),
        (("payments", "--output", "/"), 1, "cannot be written"),
        (("buyers",), 2, "buyers"),
        (("payments", "--format", "xlsx"), 2, "xlsx"),
    ],
)
async def test_what_cannot_be_exported(console: Console, given: tuple[str, ...], status: int, said: str) -> None:
    """One line says why."""
    result = await relay(console, "export", *given)
    assert (result.exit_code, said in result.stderr, "Traceback" in result.output) == (status, True, False)


async def test_the_audit_names_what_was_done(console: Console) -> None:
    """For people and for programs, by each filter."""
    endpoint = (await console.endpoint())["id"]
    await asked(console, "endpoints", "secret", endpoint)
    [row] = (await asked(console, "audit", "--action", "secret.read", "--object", endpoint))["data"]
    assert row["detail"] == {}
    people = await relay(console, "audit", "--actor", row["actor"])
    assert [line.split()[2] for line in people.stdout.splitlines()[1:]] == ["secret.read", "endpoint.create"]
    assert (await asked(console, "audit", "--until", "2020-01-01T00:00:00Z"))["data"] == []
