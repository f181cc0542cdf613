"""The truth of the relay, in Redis: every key and every script, behind a few verbs."""

from ledger.ledger import Ledger

__all__ = ["Ledger"]
