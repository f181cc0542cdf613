"""The ledger in Redis: every key and every script, behind the methods of `Ledger`."""

from ledger.ledger import Ledger

__all__ = ["Ledger"]
