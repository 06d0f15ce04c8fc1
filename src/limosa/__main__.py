"""`python -m limosa` is the program `limosa`."""

from __future__ import annotations

from limosa.cli.main import main

if __name__ == "__main__":
    main()
