"""The machine's NVIDIA devices, as far as `nvidia-smi` says."""

import re
import subprocess
from typing import Any

_UUID = re.compile(r"(GPU|MIG)-\S+")


def list_devices() -> tuple[tuple[str, ...], str]:
    """Ask `nvidia-smi` for the machine's devices.

    Returns:
        Their UUIDs in index order, and what is wrong with the answer: empty if nothing is, or there
        is no such program.
    """
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    options: Any = {"capture_output": True, "text": True, "errors": "replace", "timeout": 30}
    try:
        done = subprocess.run(command, **options)
    except FileNotFoundError:
        return (), ""
    except (OSError, subprocess.SubprocessError) as error:
        return (), f"nvidia-smi does not run ({error})"
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    others = [line for line in lines if not _UUID.fullmatch(line)]
    if done.returncode == 0 and not others:
        return tuple(lines), ""
    words = (others or done.stderr.split("\n"))[0][:200]
    return (), f"nvidia-smi lists no devices, it says {words!r} (exit code {done.returncode})"
