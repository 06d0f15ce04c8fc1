"""Serves the collections of a folder on loopback: ``python -m tests.qdrant FOLDER``, until its input ends."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from tests.qdrant.server import QdrantServer


def main() -> None:
    """Prints the address first."""
    with closing(QdrantServer(Path(sys.argv[1]))) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
