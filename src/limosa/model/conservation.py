"""Conservation: every key of the filter has exactly one class, and none is lost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Conservation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conservation:
    """|S| = done + skipped + dead + pending + lost, counted range by range in snapshots.

    Attributes:
        rows: keys that satisfy the filter now.
        at_expand: the same count when capture was armed; None where it was not counted.
        what: what is counted, in a word.
    """

    rows: int
    done: int
    skipped: int
    dead: int
    pending: int
    lost: int
    at_expand: int | None = None
    what: str = "rows"

    @property
    def proved(self) -> bool:
        """No key is lost and the classes add up."""
        return self.lost == 0 and self.rows == self.done + self.skipped + self.dead + self.pending

    @property
    def complete(self) -> bool:
        """Proved, and nothing is pending."""
        return self.proved and self.pending == 0

    @property
    def line(self) -> str:
        """The conservation line that status, verify and the report print."""
        return (
            f"{self.rows:,} {self.what} = {self.done:,} done + {self.skipped:,} skipped + {self.dead:,} dead"
            f" + {self.pending:,} pending + {self.lost:,} lost"
        )
