"""`python -m tests.campaign`: ten minutes on one device: tests, trainings, shares of its peak.

Every part is a process with seconds of its own, which ends it when they are over: one that fails or
is slow costs no other. Rows are stored as they come. Written: campaign.json with all that was
measured, and campaign.md, the table to read. `--toy --device cpu` goes through the same code in
seconds.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.campaign.report import markdown

ROOT = Path(__file__).resolve().parents[2]
# seconds on a device; together less than ten minutes
PARTS = {
    "cuda_tests": 110,
    "stacks": 30,
    "cramless": 190,
    "longtail": 90,
    "inversion": 90,
    "resmem": 80,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign", description=" ".join(__doc__.split("\n\n")[0].split())
    )
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; default: all")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--toy", action="store_true", help="sizes for a CPU and seconds")
    parser.add_argument("--mnist", default="", help="folder with MNIST's idx files")
    parser.add_argument("--cifar", default="", help="folder with CIFAR-100")
    parser.add_argument("--out", type=Path, default=Path("reports/device"))
    parser.add_argument("--run-part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if wrong := set(options.parts) - set(PARTS):
        parser.error(
            f"no parts are called {', '.join(sorted(wrong))}; there are {', '.join(PARTS)}"
        )
    if options.run_part:
        run_part(options, options.run_part)
    else:
        sys.exit(campaign(options))


def campaign(options: argparse.Namespace) -> int:
    """Run the parts one after another; 1 if any failed."""
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"machine": machine(options), "parts": []}
    for name in options.parts or PARTS:
        (options.out / f"{name}.jsonl").unlink(missing_ok=True)
        print(f"{name}: at most {PARTS[name]} s", flush=True)
        begin = time.perf_counter()
        state = in_process(options, name)
        seconds = time.perf_counter() - begin
        rows = stored(options.out / f"{name}.jsonl")
        print(f"{name}: {state} after {seconds:.0f} s, {len(rows)} rows", flush=True)
        report["parts"].append({"part": name, "state": state, "seconds": seconds, "rows": rows})
        (options.out / "campaign.json").write_text(json.dumps(report, indent=1), "utf-8")
        (options.out / "campaign.md").write_text(markdown(report), "utf-8")
    print((options.out / "campaign.md").read_text("utf-8"))
    return int(any(part["state"] != "done" for part in report["parts"]))


def in_process(options: argparse.Namespace, name: str) -> str:
    """How a part ended: done, failed, or out of time."""
    command = [sys.executable, "-m", "tests.campaign", "--run-part", name]
    command += ["--device", options.device, "--out", str(options.out.resolve())]
    command += ["--toy"] if options.toy else []
    for key in ("mnist", "cifar"):
        folder = getattr(options, key)
        command += [f"--{key}", str(Path(folder).resolve())] if folder else []
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        return "done" if process.wait(PARTS[name]) == 0 else "failed"
    except subprocess.TimeoutExpired:
        return "out of time"
    finally:
        if process.poll() is None:  # with what it has started
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_part(options: argparse.Namespace, name: str) -> None:
    """Measure one part and store each row as it comes."""
    from tests.campaign.record import Setting, append

    setting = Setting(
        device=options.device,
        toy=options.toy,
        seconds=10.0 if options.toy else PARTS[name],
        out=options.out,
        mnist=options.mnist,
        cifar=options.cifar,
    )
    for row in import_module(f"tests.campaign.{name}").measure(setting):
        append(options.out / f"{name}.jsonl", row)


def stored(path: Path) -> list[dict[str, Any]]:
    """Rows of a part; of one that was ended the whole lines."""
    if not path.is_file():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def machine(options: argparse.Namespace) -> dict[str, str]:
    """Device and versions."""
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA device here: --toy --device cpu goes through the same code on the CPU")
    name = torch.cuda.get_device_name() if options.device == "cuda" else platform.processor()
    return {
        "device": name or "CPU",
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "python": platform.python_version(),
        "size": "toy" if options.toy else "device",
    }


if __name__ == "__main__":
    main()
