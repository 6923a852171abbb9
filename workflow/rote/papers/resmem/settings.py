"""Config section of "ResMem: learn what you can and memorize the rest", with a key per task."""

from pydantic import create_model

from rote.core.section import Section, key
from rote.papers.resmem import tasks
from rote.papers.resmem.sections import ResmemMemory, ResmemScores, ResmemSpurious, ResmemTheory

Settings = create_model(
    "Settings",
    __base__=Section,
    __doc__="ResMem: learn what you can and memorize the rest",
    memory=(ResmemMemory, key(ResmemMemory)),
    theory=(ResmemTheory, key(ResmemTheory)),
    **{name: (task.settings, key(task.settings)) for name, task in tasks.registry().items()},
    spurious=(ResmemSpurious, key(ResmemSpurious)),
    scores=(ResmemScores, key(ResmemScores)),
)
