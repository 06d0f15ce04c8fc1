"""limosa moves a live system's embeddings to another model, size, layout or store, and proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from limosa.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from limosa.app import App
    from limosa.config.choose import Wishes
    from limosa.control.letters import Letter
    from limosa.control.reports import Tally
    from limosa.flow import Ending
    from limosa.model.backup import Backup, Restored
    from limosa.model.conservation import Conservation
    from limosa.model.finding import Finding
    from limosa.model.migration import Migration
    from limosa.model.plan import Check, Plan
    from limosa.model.proof import Proof
    from limosa.ports.discovery import Candidate, Discovery
    from limosa.steps.doctor import Diagnosis
    from limosa.steps.duplicates import Duplicates
    from limosa.steps.report import Report
    from limosa.steps.search import Found, Hit
    from limosa.steps.status import Status

__all__ = [
    "App",
    "Backup",
    "Candidate",
    "Check",
    "Conservation",
    "Diagnosis",
    "Discovery",
    "Duplicates",
    "Ending",
    "Finding",
    "Found",
    "Hit",
    "Letter",
    "Migration",
    "Plan",
    "Proof",
    "Report",
    "Restored",
    "Status",
    "Tally",
    "Wishes",
    "__version__",
    "discover",
    "draft",
    "ensure",
    "open",
    "page",
]

_HOMES = {
    "App": "app",
    "Backup": "model.backup",
    "Candidate": "ports.discovery",
    "Check": "model.plan",
    "Conservation": "model.conservation",
    "Diagnosis": "steps.doctor",
    "Discovery": "ports.discovery",
    "Duplicates": "steps.duplicates",
    "Ending": "flow",
    "Finding": "model.finding",
    "Found": "steps.search",
    "Hit": "steps.search",
    "Letter": "control.letters",
    "Migration": "model.migration",
    "Plan": "model.plan",
    "Proof": "model.proof",
    "Report": "steps.report",
    "Restored": "model.backup",
    "Status": "steps.status",
    "Tally": "control.reports",
    "Wishes": "config.choose",
}
"""Where a name is taken from when it is first asked for, so that ``import limosa`` does no work."""


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def open(
    source: Path | str | Mapping[str, object],
    *,
    say: Callable[[str], None] = lambda line: None,
    batch_rows: int | None = None,
) -> App:
    """The migration of a file or mapping, to be used with ``with``; connects when the first verb needs it.

    Args:
        source: the path of a ``limosa.toml``, or a mapping of the same form.
        say: is told what happens, one line for a person; at times by another thread.
        batch_rows: taken instead of what the file says; the migration stays the same one.

    Raises:
        Refused: there is no such file, or its content cannot be used; every problem of it is told at once.
    """
    from limosa.app import open_app

    return open_app(source, say=say, batch_rows=batch_rows)


def ensure(source: Path | str | Mapping[str, object], *, say: Callable[[str], None] = print) -> bool:
    """Whether the new layout is the application's; where it is not, does what the file's ``on_start`` says.

    For the start of a program: cheap where there is nothing to do, safe when many processes start at once.

    Args:
        say: is told what happens, one line for a person.

    Raises:
        LimosaError: by ``on_start = "refuse"``, or where the migration cannot be carried out.
    """
    from limosa.start import ensure as ensured

    return ensured(source, say=say)


def discover(store: str, *, table: str | None = None) -> Discovery:
    """The vector columns of a database that no file describes yet; changes nothing and ends in bounded time.

    Args:
        store: where to look: ``env:NAME``, ``embedded``, or a URL.
        table: only this table.

    Raises:
        Refused: there is no such store, it does not let limosa in, or it is of a kind that cannot be looked through.
    """
    from limosa.stores.find import discover as discovered

    return discovered(store, table=table)


def draft(store: str, wishes: Wishes | None = None, *, best: bool = False) -> str:
    """The text of a commented ``limosa.toml`` for a database, as ``limosa init`` writes it; changes nothing.

    Args:
        store: where to look: ``env:NAME``, ``embedded``, or a URL without a password.
        wishes: what is known; the rest is proposed by what the database holds.
        best: takes the best of several vector columns.

    Raises:
        Refused: nothing fits, several columns do, or something that is needed is neither named nor known.
    """
    from limosa.config.choose import Wishes as Nothing
    from limosa.config.drafting import draft as drafted

    return drafted(store, wishes or Nothing(), best=best)


def page(found: Report | Diagnosis, *, file: Path | str = "limosa.toml") -> str:
    """What ``report`` or ``doctor`` found, as one HTML page that opens offline and fetches nothing.

    Args:
        file: the migration's file, for commands that the page names.
    """
    from pathlib import Path

    from limosa.cli.pages.doctor_html import page_of
    from limosa.cli.pages.report.document import document
    from limosa.steps.doctor import Diagnosis

    return page_of(found, file=Path(file)) if isinstance(found, Diagnosis) else document(found)
