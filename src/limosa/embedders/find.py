"""Finds the embedder of a space by its provider's name, through entry points."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from limosa.errors import Refused
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Embedder, OpenEmbedder

__all__ = ["GROUP", "find"]

GROUP = "limosa.embedders"
"""The entry point group in which providers are announced, limosa's own and those of others."""


def find(space: Space, endpoint: Endpoint) -> Embedder:
    """An embedder for this space; does not call the provider.

    Raises:
        Refused: no provider of that name, a library that it needs is missing, or what the
            provider's own ``open_embedder`` refuses.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    point = known.get(space.provider)
    if point is None:
        near = get_close_matches(space.provider, known, n=1)
        raise Refused(
            f"There is no provider {space.provider!r}.",
            needed=f"One of: {', '.join(sorted(known)) or 'none is installed'}.",
            do=f"Did you mean {near[0]!r}?" if near else "Set provider in [target.space] to one of them.",
        )
    try:
        opener: OpenEmbedder = point.load()
        return opener(space, endpoint)
    except ModuleNotFoundError as exc:
        raise Refused(
            f"The provider {space.provider!r} needs the library {_library(exc)}, which is not installed.",
            do=f"Run: pip install {_remedy(point, exc)}",
        ) from exc


def _remedy(point: EntryPoint, exc: ModuleNotFoundError) -> str:
    """The extra of the provider, else the one of the library, else the library itself."""
    library = _library(exc).replace("_", "-")
    ours = point.dist is not None and point.dist.name == "limosa"
    extras = set(point.dist.metadata.get_all("Provides-Extra") or ()) if ours and point.dist is not None else set()
    extra = next((name for name in (point.name, library) if name in extras), None)
    return f"'limosa[{extra}]'" if extra is not None else library


def _library(exc: ModuleNotFoundError) -> str:
    return str(exc.name).partition(".")[0]
