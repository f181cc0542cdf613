"""Reasons as data: why something waits, died or was refused, as a code with parameters.

The code that decides something makes its reason, the ledger stores the reason as data, and the code that shows it puts
it into words: in English with `english` (API, logs, command line), in another language with the templates of the
console's catalogue and `pieces`.
"""

from schemas.reasons.reason import Reason, dump, load, stored
from schemas.reasons.rendering import english

__all__ = ("Reason", "dump", "english", "load", "stored")
