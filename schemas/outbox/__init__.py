"""The outbox: what the ledger changed, on its way into history."""
