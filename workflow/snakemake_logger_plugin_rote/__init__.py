"""`snakemake --logger rote`: Snakemake finds logger plugins by the name of their package."""

from rote.run.live import LogHandler

__all__ = ["LogHandler"]
