"""How a corpus is written, and how it is read."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from rote.core import fields
from rote.core.errors import InputError
from rote.data import corpora

SHARD_TOKENS = 2**30
Progress = Callable[[int], None]


@dataclass(frozen=True)
class CorpusOptions:
    """Which documents of the texts a corpus holds, and in what pieces.

    Attributes:
        column: column or key that holds the text of a document.
        split: what a document of a text file is: the whole `file`, a `line`, or what `blank` lines
            separate.
        strict: refuse what cannot be read; otherwise it is counted, and becomes a document without
            tokens.
        errors: `strict` or `replace` (not with `strict`) for bytes that are not UTF-8; None: as
            `strict` says.
        distinct: count a text once, however often it occurs.
        shard_tokens: a shard is closed once it holds so many tokens, ≥ 1.

    Raises:
        InputError: naming the field and what is allowed.
    """

    column: str = "text"
    split: str = "file"
    strict: bool = False
    errors: str | None = None
    distinct: bool = False
    shard_tokens: int = SHARD_TOKENS

    def __post_init__(self) -> None:
        types = {"column": str, "split": str, "strict": bool, "distinct": bool}
        types |= {} if self.errors is None else {"errors": str}
        fields.check_types(types, vars(self))
        fields.check({"shard_tokens": fields.SIZE}, vars(self))
        if not self.column:
            raise InputError("column must name the column or key of the text, given ''")
        if self.split not in corpora.SPLITS:
            raise InputError(
                f"split must be one of {', '.join(corpora.SPLITS)}, given {self.split!r}"
            )
        if self.errors not in (None, "strict", "replace"):
            raise InputError(f"errors must be strict or replace, given {self.errors!r}")
        if self.strict and self.errors == "replace":
            raise InputError("errors must not be replace where strict refuses what cannot be read")


@dataclass(frozen=True)
class ScanOptions:
    """What one pass over a corpus reads, and how.

    Attributes:
        shards: numbers of the shards to count in; None: all. Counts of disjoint shards add up.
        threads: blocks counted side by side, ≥ 1.
        progress: called with the tokens of each finished block.

    Raises:
        InputError: naming the field and its range.
    """

    shards: Collection[int] | None = None
    threads: int = 1
    progress: Progress | None = None

    def __post_init__(self) -> None:
        fields.check({"threads": fields.SIZE}, vars(self))
        if self.progress is not None:
            fields.check_types({"progress": Callable}, vars(self))
        if self.shards is None:
            return
        fields.check_many({"shards": self.shards})
        shard = {"shard": fields.COUNT}
        numbers = [fields.check(shard, {"shard": number})["shard"] for number in self.shards]
        object.__setattr__(self, "shards", tuple(numbers))
