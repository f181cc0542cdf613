"""What operators do, and what they see that takes several calls of the ledger, as typed functions. The API and the
web console call these; a single list or row they read from the ledger itself.

Each takes the `Context` and typed arguments, and returns ledger objects or frozen dataclasses. Refusals are raised as
`RelayError`s. Nothing here knows of HTTP, JSON or HTML.
"""
