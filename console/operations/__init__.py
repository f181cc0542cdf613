"""What operators do and see, as typed functions: the API and the web console both call these, and nothing else.

Each takes the `Context` and typed arguments, and returns ledger objects or frozen dataclasses. Refusals are raised as
`RelayError`s. Nothing here knows of HTTP, JSON or HTML.
"""
