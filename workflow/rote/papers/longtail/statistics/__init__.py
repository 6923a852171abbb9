"""What the claims measure. Each function takes the tables and returns one value per replicate, or a
`Sample`.

A dict has one entry per condition (α, n_9, ...); each becomes a ledger row of its own.
"""

from rote.papers.longtail.statistics.linear import *  # noqa: F403
from rote.papers.longtail.statistics.network import *  # noqa: F403
