"""The machinery of the operator API: dispatch, description, problems, idempotency."""
