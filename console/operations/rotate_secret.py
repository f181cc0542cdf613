"""The secrets that sign an endpoint's callbacks: read them, rotate them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from console.context import Context
from schemas.endpoints.endpoint import Endpoint, SealedSecret, new_secret, rotated


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A secret that signs until `expires_at` (UNIX seconds), or until it is rotated if that is None."""

    secret: str = field(repr=False)
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The newest secret, and the previous ones that still sign beside it."""

    secret: str = field(repr=False)
    previous: Sequence[SigningSecret]


async def read_secrets(context: Context, endpoint_id: str) -> SigningSecrets:
    """The secrets that sign now. Raises `NotFound`, and `Unreadable` if no key opens them."""
    now = await context.ledger.now()
    registered = await context.ledger.endpoints.get(endpoint_id)
    return _opened(context, registered.endpoint.secrets, now)


async def rotate_secret(context: Context, endpoint_id: str, overlap: float) -> SigningSecrets:
    """Replace the secret; the old one goes on signing for `overlap` seconds. Raises `NotFound`."""
    now = await context.ledger.now()
    sealed = context.sealer.seal(new_secret(secrets.token_bytes(32)))

    def rotate(endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, secrets=rotated(endpoint.secrets, sealed, now, overlap))

    endpoint = await context.ledger.endpoints.update(endpoint_id, rotate)
    return _opened(context, endpoint.secrets, now)


def _opened(context: Context, sealed: Sequence[SealedSecret], now: float) -> SigningSecrets:
    newest, *others = sealed
    return SigningSecrets(
        secret=context.sealer.open(newest.sealed),
        previous=[
            SigningSecret(context.sealer.open(one.sealed), one.expires_at)
            for one in others
            if one.expires_at is None or one.expires_at > now
        ],
    )
