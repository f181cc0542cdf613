"""Reasons as data: why something waits, died or was refused, as a code with parameters.

A reason is made where it is decided, stored as data, and put into words by whoever shows it: in English by `english`
(API, logs, command line), in another language with the templates of the console's catalogue and `pieces`.
"""

from schemas.reasons.reason import Reason, dump, load, stored
from schemas.reasons.rendering import english

__all__ = ("Reason", "dump", "english", "load", "stored")
