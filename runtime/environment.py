"""The texts of settings, from environment variables or from files that these name.

Containers get secrets as files, so every variable ``NAME`` can be given as ``NAME_FILE`` with a path instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from runtime.setting_values import shown_path
from schemas.errors import BadSetting

FILE = "_FILE"
LARGEST_FILE = 65_536
"""The most bytes that are read: a setting is one line, and a wrong path may name any file."""

EXAMPLES = ("RELAY_ENDPOINT_SECRET",)
"""Variables of the receivers in ``docs/examples``, which often run in the same shell."""

_SERVICE_LINK = re.compile(r"RELAY_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)")
_SERVICE_URL = re.compile(r"(?:tcp|udp|sctp)://\S+")


def gather(environ: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """The text of each known variable that is set, from the environment or its file; a blank one counts as not set.

    Raises `BadSetting` for a variable that is given in both ways, for a value in quotes, and for a file without usable
    text.
    """
    texts = {}
    for name in known:
        text, path = (environ.get(key, "").strip() for key in (name, name + FILE))
        if text and path:
            raise BadSetting(f"{name} and {name}{FILE} are both set: keep one of them")
        if path:
            text = _content(name, path)
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            # docker's --env-file passes quotes on, and a secret in quotes is a wrong secret.
            raise BadSetting(f"{name} is in quotes: remove them, because they would become part of the value")
        if text:
            texts[name] = text
    return texts


def refuse_unknown(environ: Mapping[str, str], known: Iterable[str]) -> None:
    """Raise `BadSetting` for the first `RELAY_…` that does not exist, with the nearest name that does."""
    names = [name for name in known if name.startswith("RELAY_")]
    names += [name + FILE for name in names]
    accepted = {*names, *EXAMPLES}
    for name in sorted(environ):
        if not name.startswith("RELAY_") or name in accepted or _is_service_link(name, environ[name]):
            continue
        nearest = get_close_matches(name, names, n=1, cutoff=0)[0]
        raise BadSetting(f"{name} is not a known setting: did you mean {nearest}?")


def _is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes has set this variable: pods get variables that describe every service, and a service may be
    called `relay` (kubernetes.io, "Accessing the Service", environment variables)."""
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_URL.fullmatch(value)))


def _content(name: str, path: str) -> str:
    given = f"{name}{FILE}={shown_path(name, path)}"
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        text = content.decode("utf-8-sig").strip()  # editors on Windows begin a file with a byte order mark
    except OSError as error:
        raise BadSetting(f"{given} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSetting(f"{given} is not text in UTF-8") from None
    if not text:
        raise BadSetting(f"{given} is empty")
    if len(content) > LARGEST_FILE:
        raise BadSetting(f"{given} is too large: at most {LARGEST_FILE // 1024} KiB are read")
    return text
