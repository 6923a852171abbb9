"""Data pruning by training loss alone: which examples stay, and how often.

`select` and `automatic` choose from a table of losses (offline), `explained` says why;
`rote.prune.online` chooses inside training. The schemes are those of "Cram less to fit more" in our
reconstruction.
"""

from rote.prune.duplicates import near_duplicates
from rote.prune.offline import automatic, explained, select, table, with_chance
from rote.prune.schemes import OFFLINE, ONLINE, SCORED

__all__ = [
    "OFFLINE",
    "ONLINE",
    "SCORED",
    "automatic",
    "explained",
    "near_duplicates",
    "select",
    "table",
    "with_chance",
]
