"""Entries as bytes: every kind comes back as it was, from workers and from scripts; what is not known is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UnknownEntry
from schemas.outbox import entries as e
from schemas.outbox.codec import KINDS, pack, unpack

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(st.characters(exclude_categories=["Cs"])),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "bytes": st.binary(max_size=200),
}


def _entries(kind: type[e.Entry]) -> st.SearchStrategy[Any]:
    def value(type_: str) -> st.SearchStrategy[Any]:
        plain = _VALUES[type_.removesuffix(" | None")]
        return st.none() | plain if type_.endswith("| None") else plain

    return st.builds(kind, **{one.name: value(str(one.type)) for one in fields(kind)})


@given(st.one_of(*map(_entries, KINDS.values())))
def test_every_kind(entry: e.Entry) -> None:
    """Packed and unpacked it is equal, field by field."""
    assert unpack(pack(entry)) == entry


def test_a_script_adds_what_only_it_knows() -> None:
    """The stamp's fields win over those of the worker."""
    event = e.Event("evt_1", "default", "imp_1", "payment.paid", 3, 0, False, body=b"{}")
    stamp = msgpack.packb({"recorded_at": 1_700_000_000_123, "silent": True})
    assert unpack(pack(event), stamp) == replace(event, recorded_at=1_700_000_000_123, silent=True)


def test_a_script_makes_an_entry() -> None:
    """By names, without those that have a default; a script's strings may stand for bytes."""
    made = {"v": 1, "kind": "event", "id": "evt_1", "merchant": "m", "imp_uid": "", "type": "relay.test", "body": "{}"}
    assert unpack(msgpack.packb(made)) == e.Event("evt_1", "m", "", "relay.test", body=b"{}")


def test_a_script_packs_a_row() -> None:
    """Its bytes come back as they were, though they are no text, and the texts beside them as well."""
    row = msgpack.packb(["created_at", "1795877630183", *["x"] * 20]) + b"\xff\x80"
    made = msgpack.packb({"v": 1, "kind": "merchant", "name": "가게"})
    packed = bytes([made[0] + 1]) + made[1:] + b"\xa3row" + b"\xd9" + bytes([len(row)]) + row
    assert unpack(packed) == e.Merchant("가게", row=row)


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (msgpack.packb([2, "object", "default", "imp_1", 1, b"{}"]), "of version 2"),
        (msgpack.packb({"v": 2, "kind": "notification", "id": "x"}), "of version 2"),
        (msgpack.packb([1, "refund", "x"]), "does not know: 'refund'"),
        (msgpack.packb({"v": 1, "kind": "refund"}), "does not know: 'refund'"),
        (msgpack.packb([1, "object", "default"]), "object: 1 ≠ 4"),
        (msgpack.packb({"v": 1, "kind": "object", "merchant": "x", "colour": "red"}), "cannot be read"),
        (msgpack.packb({"v": 1, "kind": "object"}), "cannot be read"),
        (msgpack.packb("text"), "cannot be read"),
        (msgpack.packb([]), "cannot be read"),
        (b"", "cannot be read"),
        (b"\xc1", "cannot be read"),
        (pack(e.Notification("a", "b", "c"))[:-1], "cannot be read"),
    ],
)
def test_what_is_not_known(packed: bytes, says: str) -> None:
    """It is refused, so that nobody leaves it out."""
    with pytest.raises(UnknownEntry, match=says):
        unpack(packed)


def test_half_a_surrogate_pair() -> None:
    """It becomes a question mark: UTF-8 has no place for it."""
    assert unpack(pack(e.Notification("a", "b", "x\ud800"))) == e.Notification("a", "b", "x?")
