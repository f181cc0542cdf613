"""What `relay restore` reads of rows before it puts anything back."""

from __future__ import annotations

import msgpack
import orjson
import pytest

from ledger.endpoint_rows import dump
from ledger.restoring import Restoring
from schemas.endpoints.endpoint import SealedSecret
from schemas.outbox.entries import Endpoint
from tests.support.ledger_driver import endpoint

ROW = dump(endpoint("ep_1", secrets=(SealedSecret("sealed-1"), SealedSecret("sealed-2")), headers="sealed-3"))


def _packed(**fields: bytes) -> Endpoint:
    return Endpoint("ep_1", "default", row=msgpack.packb([part for pair in fields.items() for part in pair]))


def test_the_sealed_values_are_read_whatever_else_is_damaged() -> None:
    """The keys are checked with them, even if a newer release wrote another health."""
    odd = _packed(row=ROW, health=orjson.dumps({"of_a_newer_release": 1}), ok_count=b"many")
    assert sorted(Restoring.sealed_in(odd)) == ["sealed-1", "sealed-2", "sealed-3"]


@pytest.mark.parametrize(
    "fields", [{}, {"row": b"{"}, {"row": b"[]"}, {"row": b"{}"}, {"row": ROW[:-1] + b',"of_a_newer_release":1}'}]
)
def test_a_damaged_row_is_an_error_that_the_caller_expects(fields: dict[str, bytes]) -> None:
    """It can then go on with the others."""
    with pytest.raises(ValueError, match=r"damaged|JSON|unexpected"):
        Restoring.sealed_in(_packed(**fields))
