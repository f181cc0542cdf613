"""systemd's `Type=notify`: the process notifies its supervisor when it is ready and when it is about to stop.

The protocol is sd_notify(3): a datagram to the socket that `NOTIFY_SOCKET` names. Without that variable nothing is
sent.
"""

from __future__ import annotations

import os
import socket

import structlog

log = structlog.get_logger()


def notify_ready() -> None:
    """Notify that this process does its work from now on."""
    _notify("READY=1")


def notify_stopping() -> None:
    """Notify that this process was asked to stop, and finishes the work under way."""
    _notify("STOPPING=1")


def _notify(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError as error:
            log.warning("service_manager_not_notified", state=state, error=str(error))
