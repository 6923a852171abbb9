"""What a run says at its end: a line for each paper that is judged, and where the report is."""

from collections.abc import Sequence
from pathlib import Path


def lines(run: str, scale: str, papers: Sequence[str], root: Path = Path(".")) -> list[str]:
    """The findings of a run's papers, however it ended, and the report.

    Args:
        run: its name.
        scale: smoke says that it judges no claim.
        papers: of the run.
        root: folder with `results` and `reports`.

    Returns:
        Lines to print; none if no paper is judged and there is no report.
    """
    findings = [root / "results" / run / "claims" / f"{paper}.txt" for paper in papers]
    shown = [path.read_text("utf-8").strip() for path in findings if path.is_file()]
    missing = len(papers) - len(shown)
    if shown and scale == "smoke":
        shown.append("At scale smoke no claim is judged.")
    page = Path("reports", run, "index.html")
    if (root / page).is_file():
        partial = f" (partial: {missing} of {len(papers)} papers are not judged)"
        shown.append(f"Report: {page}{partial if missing else ''}")
    ledger = Path("results", run, "claims.parquet")
    if (root / ledger).is_file() and not missing:
        shown.append(f"Every claim: rote ledger {run}")
    return shown
