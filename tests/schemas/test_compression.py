"""Compression: what comes out is what went in, shorter where it can be, and damage is noticed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.blank_payment import blank_payment
from schemas import wire
from schemas.compression import compress, decompress
from tests.support.processes import ROOT


@given(st.binary(max_size=5000))
def test_any_bytes(plain: bytes) -> None:
    """Also those that begin like a frame; and nothing becomes longer but what would be taken for one."""
    stored = compress(plain)
    assert decompress(stored) == plain
    assert len(stored) <= len(plain) or plain.startswith(b"\x28\xb5\x2f\xfd")


def test_an_object_is_a_third() -> None:
    """The dictionary knows what i'mport's objects share."""
    plain = wire.dumps(blank_payment(1_700_000_000))
    assert len(compress(plain)) < len(plain) / 3


def test_what_was_stored_plainly() -> None:
    """JSON is read as it is: it never begins like a frame."""
    assert decompress(b'{"a":1}') == b'{"a":1}'
    assert compress(b"{}") == b"{}"


@pytest.mark.parametrize("cut", [5, 9, 40])
def test_a_damaged_frame(cut: int) -> None:
    """It is an error, not another text."""
    stored = compress(wire.dumps(blank_payment(1_700_000_000)))
    with pytest.raises(ValueError, match="damaged"):
        decompress(stored[:cut])


def test_frames_of_the_first_version_are_read_for_good() -> None:
    """The dictionary never changes: this frame was made with it."""
    assert decompress(bytes.fromhex(FROZEN)) == b'{"imp_uid":"imp_448280090638","merchant_uid":"order_1","amount":1004}'


FROZEN = "28b52ffd210145050100438103bc196377c80efc76392b3fde186704fc8ed032dae7feb67f66658dd53d"


_IN_THREADS = """
import json, random, threading
from schemas.compression import compress, decompress

rng = random.Random(1)
texts = [json.dumps([rng.random() for _ in range(1000)]).encode() for _ in range(50)]
wrong = []

def work(seed):
    chosen = random.Random(seed)
    for _ in range(1000):
        text = chosen.choice(texts)
        if decompress(compress(text)) != text:
            wrong.append(text)

threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(wrong))
"""


def test_many_threads_at_once() -> None:
    """Workers, consoles and history compress and read in threads. In a process of its own, which zstandard's objects
    end if two threads share one."""
    done = subprocess.run([sys.executable, "-c", _IN_THREADS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
