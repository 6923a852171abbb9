"""The tests of tests/cuda on this device."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.campaign.record import Setting, statistic


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """How many passed; of a toy campaign the searches alone."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/cuda"]
    command += ["-k", "search"] if setting.toy else []
    variables = os.environ | {"ROTE_TEST_DEVICE": setting.device}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    summary = done.stdout.strip().splitlines()[-1]
    print(f"  {summary}", flush=True)
    for word in ("passed", "failed", "skipped", "error"):
        counts = re.findall(rf"(\d+) {word}", summary)
        if counts:
            yield statistic("tests", word, [int(counts[0])])
    if done.returncode:
        raise RuntimeError(f"tests failed:\n{done.stdout[-3000:]}")
