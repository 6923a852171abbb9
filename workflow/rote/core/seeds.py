"""Independent random streams by name: adding an experiment never shifts another one's draws."""

from zlib import crc32

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """A generator for the random stream named by `key`.

    Streams with different keys are statistically independent (`numpy.random.SeedSequence` spawn
    keys). Words are hashed with CRC-32, so the stream does not depend on the order in which keys
    were first used.

    Args:
        seed: of the run, ≥ 0.
        *key: words and whole numbers ≥ 0, e.g. `"longtail", "linear", alpha_index, replicate`.
    """
    spawn_key = tuple(crc32(part.encode()) if isinstance(part, str) else int(part) for part in key)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


def torch_seed(seed: int, *key: str | int) -> int:
    """A 63-bit seed for `torch.Generator.manual_seed`, from the same family of streams.

    Args:
        seed, *key: as of `generator`.
    """
    return int(generator(seed, *key).integers(2**63))
