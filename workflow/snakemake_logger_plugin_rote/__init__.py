"""`snakemake --logger rote`: Snakemake finds logger plugins by the name of their package.

It imports them before it makes its own cache, which is why caches are looked after here.
"""

from rote.core import environment
from rote.run.live import LogHandler

environment.prepare_caches()
__all__ = ["LogHandler"]
