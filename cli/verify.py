"""`relay verify`: checks the signature of a callback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from cli.client import exit_on_error
from cli.failure import CommandFailed
from cli.output import Json, print_result

app = typer.Typer()


@app.command()
def verify(
    secret: Annotated[str, typer.Option(envvar="RELAY_ENDPOINT_SECRET", help="The endpoint's secret, whsec_….")],
    webhook_id: Annotated[str, typer.Option("--id", help="The header webhook-id.")],
    timestamp: Annotated[str, typer.Option(help="The header webhook-timestamp.")],
    signature: Annotated[str, typer.Option(help="The header webhook-signature.")],
    body: Annotated[Path, typer.Argument(help="The file with the callback's exact body; - for standard input.")] = Path(
        "-"
    ),
    as_json: Json = False,
) -> None:
    """Check the signature of a callback by Standard Webhooks; its timestamp may be 5 minutes old at most.

    Example: relay verify --secret whsec_… --id evt_… --timestamp 1795428850 --signature v1,… body.json
    """
    headers = {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    with exit_on_error():
        content = _content(body)
    try:
        Webhook(secret).verify(content, headers)
    except (EmptyWebhookSecretError, WebhookVerificationError, ValueError) as error:
        print(f"relay: not valid: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print_result("the signature is valid", {"valid": True}, as_json=as_json)


def _content(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from None
