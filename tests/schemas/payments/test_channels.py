"""Which payments of test channels exist for whom, and what of them is history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from schemas.errors import NotFound
from schemas.payments.channels import hidden_test_payment, silent_before
from schemas.payments.snapshot import Snapshot


@dataclass(frozen=True)
class MerchantPolicy:
    """What the rule wants to know of a merchant."""

    name: str = "shop"
    since: float = 100.0
    include_sandbox: bool = False
    sandbox_since: float = 0.0


def shown(**fields: Any) -> Snapshot:
    """A payment as i'mport shows it."""
    return Snapshot.parse({"imp_uid": "imp_1", "status": "paid", "amount": 1, **fields})


@pytest.mark.parametrize("sandbox", [True, "true", "TRUE", 1, "1"])
def test_a_test_payment_is_hidden_unless_it_is_included(sandbox: Any) -> None:
    """However i'mport spells it; the reason is a 404 that names payment, merchant and remedy."""
    why = hidden_test_payment(shown(sandbox=sandbox), MerchantPolicy())
    assert isinstance(why, NotFound)
    assert str(why) == (
        "imp_1 is a payment of a test channel, and these do not exist for merchant shop unless include_sandbox is on "
        "(relay merchants put shop --include-sandbox)"
    )
    assert hidden_test_payment(shown(sandbox=sandbox), MerchantPolicy(include_sandbox=True)) is None


@pytest.mark.parametrize("fields", [{}, {"sandbox": None}, {"sandbox": False}, {"sandbox": "false"}, {"sandbox": 0}])
def test_every_other_payment_exists(fields: dict[str, Any]) -> None:
    """Older objects have no such field; and of what was never looked at nothing is known."""
    assert hidden_test_payment(shown(**fields), MerchantPolicy()) is None
    assert hidden_test_payment(None, MerchantPolicy()) is None


def test_what_happened_before_the_flag_is_history() -> None:
    """Of test payments only, by whole seconds, and never less than before the merchant's own `since`."""
    late = MerchantPolicy(include_sandbox=True, sandbox_since=500.9)
    assert (silent_before(shown(sandbox=True), late), silent_before(shown(), late)) == (500.0, 100.0)
    assert silent_before(shown(sandbox=True), MerchantPolicy(include_sandbox=True)) == 100.0
    assert silent_before(shown(sandbox=True), MerchantPolicy(since=900.0, sandbox_since=500.0)) == 900.0
