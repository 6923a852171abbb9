"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`.

Each task says what it costs (`ResmemTask.work`).
"""

from typing import Any

from rote.core.work import Wildcards
from rote.papers.resmem import tasks
from rote.papers.resmem.task import TaskWork

BYTES_PER_ROW = 4 * 64  # logits and embeddings of a small base


def _work(settings: Any, where: Wildcards) -> TaskWork:
    """The cost of the task among a job's wildcards."""
    task = tasks.get(where["task"])
    return task.work(getattr(settings, task.name))


def _rows(settings: Any, where: Wildcards) -> float:
    return _work(settings, where).rows


def _forward(settings: Any, where: Wildcards) -> float:
    """A forward pass over every row; of large networks by their size."""
    work = _work(settings, where)
    return work.rows if work.forward is None else work.forward


def _memorization(settings: Any, where: Wildcards) -> float:
    scores = settings.scores
    return scores.replicates * scores.networks * scores.train * sum(scores.units)


WORK = {
    "train_base": lambda settings, where: 6 * _work(settings, where).training,
    "evaluate": _forward,
    "evaluate_extensions": _memorization,
}
DISK = {"evaluate": lambda settings, where: BYTES_PER_ROW * _rows(settings, where)}
