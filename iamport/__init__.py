"""The client of i'mport's REST API (V1): tokens, look-ups, lists, cancellations."""
