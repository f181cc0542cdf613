"""Dramatiq's broker for kicks: a list in Redis for each queue, in which consumers wait until a kick comes.

Dramatiq's own Redis broker polls, and keeps a message until its worker says that it is done. A kick needs neither: if
it is lost with its worker, the sweep sends another.
"""

from __future__ import annotations

import threading
import time
from typing import cast

import redis
import structlog
from dramatiq import Message
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError

log = structlog.get_logger()

NAMESPACE = "relay"
WAIT = 4.0
"""Seconds for which a consumer's `BLPOP` waits. The timeout of the connection is longer."""


class KickBroker(Broker):
    """Fetches kicks from the lists of their queues; `ledger.queue` sends them."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(middleware=[])
        self.client = client
        self._stopping = threading.Event()
        self._places: dict[str, threading.Semaphore] = {}

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue, once."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: Message[None], *, delay: int | None = None) -> Message[None]:
        """Send one message; kicks are never delayed. Raises redis-py's errors."""
        if delay is not None:
            raise ValueError("kicks are not delayed")
        self.client.rpush(key_of(message.queue_name), message.encode())
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 0) -> Consumer:
        """A consumer that fetches no more than ``prefetch`` messages ahead of the workers. Messages that an earlier
        consumer of this queue has fetched count, too."""
        del timeout
        places = self._places.setdefault(queue_name, threading.Semaphore(prefetch))
        return _KickConsumer(self.client, queue_name, places, self._stopping)

    def stop_fetching(self) -> None:
        """Stop fetching in all consumers. If a kick still comes to one that is waiting, it goes back to its queue."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def key_of(queue_name: str) -> str:
    """The list of a queue."""
    return f"{NAMESPACE}:{queue_name}"


class _KickConsumer(Consumer):
    def __init__(
        self, client: redis.Redis, queue_name: str, places: threading.Semaphore, stopping: threading.Event
    ) -> None:
        self._client = client
        self._key = key_of(queue_name)
        self._places = places
        self._stopping = stopping

    def ack(self, message: MessageProxy) -> None:
        del message
        self._places.release()

    nack = ack

    def __next__(self) -> MessageProxy | None:
        if self._stopping.is_set():
            time.sleep(0.1)  # until Dramatiq ends this thread
            return None
        if not self._places.acquire(timeout=WAIT):
            return None
        message = None
        try:
            message = self._fetch()
        except (redis.RedisError, OSError) as error:
            if self._stopping.is_set():
                return None  # the connection was closed under it
            raise ConnectionClosed(error) from None
        finally:
            if message is None:
                self._places.release()
        return message

    def _fetch(self) -> MessageProxy | None:
        fetched = self._client.blpop([self._key], timeout=WAIT)
        if fetched is None:
            return None
        text = cast(bytes, fetched[1])
        if self._stopping.is_set():
            self._client.rpush(self._key, text)
            return None
        try:
            return MessageProxy(Message.decode(text))
        except DecodeError:
            log.warning("kick_not_readable", queue=self._key, hint="of another version; the sweep kicks its lane again")
            return None
