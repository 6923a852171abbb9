"""Data pruning by training loss alone: which examples stay, and how often.

`select` and `automatic` choose from a table of losses (offline); `rote.prune.online` chooses inside
training. The schemes are those of "Cram less to fit more" in our reconstruction.
"""

from rote.prune.offline import automatic, select, table
from rote.prune.schemes import OFFLINE, ONLINE

__all__ = ["OFFLINE", "ONLINE", "automatic", "select", "table"]
