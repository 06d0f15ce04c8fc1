"""The choice of everything that a file says; what nobody knows is asked for by its option."""

from __future__ import annotations

from limosa.config.choose import Wishes
from limosa.config.compose import Choice
from limosa.config.propose import Named, key_of, require_provider, source_of, target_of, text_of
from limosa.errors import Refused
from limosa.ports.discovery import Candidate

__all__ = ["decide", "require_store"]


def decide(store: str, candidate: Candidate, wishes: Wishes) -> Choice:
    """What a person named, and for the rest what is proposed.

    Raises:
        Refused: something that was named is not there, or something that is needed is neither named nor known.
    """
    text = text_of(candidate, wishes)
    if not text:
        columns = ", ".join(candidate.columns)
        raise Refused(
            f"No column of {candidate.table} looks like the text that was embedded.",
            needed=f"One of its columns of texts: {columns}." if columns else "A column of texts; the table has none.",
            do="Name them with --text. Where they stand in another table, write `query` into the file by hand.",
        )
    source = source_of(candidate, wishes)
    _require(source, "source")
    target = target_of(source, wishes)
    _require(target, "target")
    return Choice(
        store=store,
        candidate=candidate,
        key=key_of(candidate, wishes),
        text=text,
        source=source,
        target=target,
    )


def require_store(store: str) -> str:
    """Lets a store through that a file may name: no secret stands in it.

    Raises:
        Refused: it carries a password, or is no store; its value is not shown.
    """
    # pydantic, behind the rules' home, is not taken along: these are plain functions.
    from limosa.config.values import store as checked

    try:
        return checked(store)
    except ValueError as error:
        raise Refused(
            f"The store cannot stand in a file: {error}",
            needed="The address in the environment, and its variable's name in the file.",
            do="export DATABASE_URL=...; then limosa init FILE --store env:DATABASE_URL",
        ) from error


def _require(named: Named, side: str) -> None:
    prefix = "--from-" if side == "source" else "--"
    whose = "whose vectors stand in the column" if side == "source" else "to go to"
    if named.provider:
        require_provider(named.provider, f"{prefix}provider")
    missing = [part for part in ("provider", "model", "dimensions") if not getattr(named, part)]
    if missing:
        told = f" {named.why}" if named.why and side == "source" else ""
        lacking = " and ".join(missing)
        raise Refused(
            f"The model {whose} is not known: its {lacking}.{told}",
            needed="Provider, model and dimensions.",
            do="Name it with " + " and ".join(f"{prefix}{part}" for part in missing) + ".",
        )
