"""limosa moves a live system's embeddings to another model, size, layout or store, and proves it."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
