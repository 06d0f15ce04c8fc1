"""Every error that limosa raises: one base, three branches, each with its exit code.

A message says what is so, what was needed and what to do now. The parts are attributes, so
that a program can read them without parsing a sentence.
"""

from __future__ import annotations

__all__ = [
    "Ambiguous",
    "Fenced",
    "LimosaError",
    "ProofFailed",
    "Refused",
    "RowRefused",
    "Stubborn",
    "Transient",
    "Unanswered",
]


class LimosaError(Exception):
    """Base of everything limosa raises.

    Args:
        what: what is so.
        needed: what was needed instead; may be empty.
        do: what to do now; may be empty.
    """

    exit_code = 3

    def __init__(self, what: str, *, needed: str = "", do: str = "") -> None:
        self.what = what
        self.needed = needed
        self.do = do
        super().__init__("\n".join(part for part in (what, needed, do) if part))

    def __reduce__(self) -> tuple[object, ...]:
        """Keyword-only parts survive pickling, as worker processes need."""
        return (_rebuild, (type(self), self.what, self.needed, self.do))


def _rebuild(kind: type[LimosaError], what: str, needed: str, do: str) -> LimosaError:
    return kind(what, needed=needed, do=do)


class Refused(LimosaError):
    """The world is as it was; repeating without a change will be refused again."""

    exit_code = 2


class RowRefused(Refused):
    """One text or one vector cannot be used; the rest of its batch can. Becomes a dead letter."""


class ProofFailed(LimosaError):
    """A proof was made and came out different. Success is not said."""

    exit_code = 1


class Transient(LimosaError):
    """The world failed; everything committed stands and repeating the command is safe."""

    exit_code = 3


class Unanswered(Transient):
    """A provider did not answer one request; the same request may be answered later.

    Attributes:
        retry_after_s: how long the provider asks to wait; None where it does not say.
        limited: it asks for fewer requests or tokens a minute (429), and is not ill.
    """

    def __init__(
        self, what: str, *, needed: str = "", do: str = "", retry_after_s: float | None = None, limited: bool = False
    ) -> None:
        super().__init__(what, needed=needed, do=do)
        self.retry_after_s = retry_after_s
        self.limited = limited

    def __reduce__(self) -> tuple[object, ...]:
        return (_unanswered, (type(self), self.what, self.needed, self.do, self.retry_after_s, self.limited))


def _unanswered(
    kind: type[Unanswered], what: str, needed: str, do: str, wait_s: float | None, limited: bool
) -> Unanswered:
    return kind(what, needed=needed, do=do, retry_after_s=wait_s, limited=limited)


class Stubborn(Unanswered):
    """One request failed again and again while others were answered; a part of it may pass.

    The caller may send it in halves, down to the text that the provider cannot bear.
    """

    @classmethod
    def of(cls, error: Unanswered) -> Stubborn:
        """The same words as the last failure's."""
        return cls(
            error.what, needed=error.needed, do=error.do, retry_after_s=error.retry_after_s, limited=error.limited
        )


class Fenced(Transient):
    """A claim was taken over by another worker; nothing of this batch was written."""


class Ambiguous(LimosaError):
    """A commit was not acknowledged and the truth could not be read; look before repeating."""

    exit_code = 4
