"""Config section of "ResMem: learn what you can and memorize the rest", with a key per task."""

from typing import Any, ClassVar, Literal

from pydantic import create_model

from rote.core.section import PaperSection, key, left_out
from rote.papers.resmem import tasks
from rote.papers.resmem.sections import ResmemMemory, ResmemScores, ResmemSpurious, ResmemTheory

TaskName: Any = Literal[tuple(tasks.registry())]


class _Extent(PaperSection):
    """What a run makes of the paper."""

    leave_out: list[str] = left_out("growth", "crossfit", "memorization", "spurious")
    leave_out_tasks: list[TaskName] = key(
        ["fine", "text", "longtail", "mnist", "breast", "wines"],
        "Tasks that this run does not train; those that need files run only where the config names "
        "them",
    )

    SCALES: ClassVar = {
        "smoke": {"leave_out_tasks": ["mnist", "breast", "wines"]},
        "full": {"leave_out": [], "leave_out_tasks": []},
    }

    def parts(self) -> list[str]:
        """Tasks of a run."""
        return tasks.of_run(self)


Settings = create_model(
    "Settings",
    __base__=_Extent,
    __doc__="ResMem: learn what you can and memorize the rest",
    memory=(ResmemMemory, key(ResmemMemory)),
    theory=(ResmemTheory, key(ResmemTheory)),
    **{name: (task.settings, key(task.settings)) for name, task in tasks.registry().items()},
    spurious=(ResmemSpurious, key(ResmemSpurious)),
    scores=(ResmemScores, key(ResmemScores)),
)
