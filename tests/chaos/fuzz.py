"""``python -m tests.chaos.fuzz TARGET RUNS SEED FOLDER``: bytes without end at a target; a find is left in FOLDER.

With atheris, which follows what new code an input reaches; where there is none, mutations of what is in the corpus.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys
from collections.abc import Callable
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def main() -> int:
    """Run; the exit status is 0 where nothing was found."""
    target, runs, seed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    if importlib.util.find_spec("atheris") is not None:
        return _followed(target, runs, seed, folder)
    from tests.chaos.targets import TARGETS

    return _mutated(TARGETS[target], CORPUS / target, runs, random.Random(seed), folder)


def _followed(target: str, runs: int, seed: int, folder: Path) -> int:
    atheris = importlib.import_module("atheris")

    with atheris.instrument_imports(include=["schemas", "iamport.responses", "receiver.spool_codec"]):
        from tests.chaos.targets import TARGETS

    seen = folder / f"{target}-seen"
    seen.mkdir()
    options = [
        f"-runs={runs}",
        f"-seed={seed}",
        f"-artifact_prefix={folder}/{target}-",
        "-max_len=4096",
        "-verbosity=0",
    ]
    atheris.Setup(["fuzz", *options, str(seen), str(CORPUS / target)], TARGETS[target])
    atheris.Fuzz()
    return 0


def _mutated(target: Callable[[bytes], None], corpus: Path, runs: int, rng: random.Random, folder: Path) -> int:
    seeds = [file.read_bytes() for file in sorted(corpus.iterdir())]
    for _ in range(runs):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(4):
                case 0:
                    data[at:at] = rng.randbytes(rng.randrange(1, 5))
                case 1:
                    del data[at : at + rng.randrange(1, 9)]
                case 2:
                    data[at:at] = bytes(data[rng.randrange(len(data) + 1) :][: rng.randrange(1, 33)])
                case _:
                    data[at : at + 1] = rng.choice(
                        [b'"', b"{", b"}", b"[", b"]", b",", b":", b"-", b"9", b"e", b"\\", b"\x00", b"\xff"]
                    )
        try:
            target(bytes(data))
        except Exception:
            (folder / "find").write_bytes(bytes(data))
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
