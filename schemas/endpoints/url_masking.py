"""An endpoint's URL for read-only tokens: host and path, without the parts that may be secret.

Subscribers put keys into queries, and into paths (`/services/T024BE7LD/B7Q3.../xoJ5Rzs…`). Anyone with such a URL can
post to it.
"""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import unquote

MASK = "***"
_WORDS = re.compile(r"[A-Za-z]+|[0-9]+")
_LONGEST_WORD = 19
_LONGEST_NUMBER = 7
_MIXED = 8
"""From this length on, a run of letters and digits is a token; a shorter one is a name like `v2` or `web3`."""
_CAMELS = 6
"""The most changes between small letters and capitals in a name; `orderPaidWebhook` has four."""


def masked_url(url: str) -> str:
    """The URL with its query masked, and each part of its path that looks like a token."""
    address, question, _ = url.partition("?")
    scheme, separator, rest = address.partition("://")
    host, *segments = rest.split("/")
    path = [MASK if looks_secret(segment) else segment for segment in segments]
    return scheme + separator + "/".join([host, *path]) + (question and question + MASK)


def looks_secret(segment: str) -> bool:
    """Whether a part of a path looks made up by a machine: letters and digits mixed in one run, a long number, a run
    longer than words are, or capitals where words have none."""
    return any(_is_random(run) for run in re.split(r"[^A-Za-z0-9]+", unquote(segment)))


def _is_random(run: str) -> bool:
    words = _WORDS.findall(run)
    if len(run) > _LONGEST_WORD or any(word.isdigit() and len(word) > _LONGEST_NUMBER for word in words):
        return True
    if len(run) >= _MIXED and len(words) > 1:
        return not re.fullmatch(r"[A-Za-z][a-z]+(19|20)\d\d", run)  # `orders2024` is a name
    return any(_turns(word) > _CAMELS for word in words)


def _turns(word: str) -> int:
    """How often a word changes between small letters and capitals."""
    return sum(before.islower() != after.islower() for before, after in pairwise(word))
