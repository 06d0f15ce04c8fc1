"""Every benchmark, one after the other: ``python -m bench``."""

from __future__ import annotations

import subprocess
import sys
import time

BENCHES = (
    ("bench.backfill",),
    ("bench.backfill", "--hnsw", "--rows", "5000"),
    ("bench.layouts", "--rows", "10000"),
    ("bench.provider",),
    ("bench.distance",),
    ("bench.pause", "--rows", "100000"),
    ("bench.memory",),
    ("bench.start",),
    ("bench.pace",),
    ("bench.quality",),
    ("bench.split",),
    ("bench.split_beside",),
    ("bench.split_memory",),
    ("bench.copying",),
)


def main() -> None:
    """Runs each in a process of its own, so that none leaves anything behind for the next."""
    for module, *options in BENCHES:
        print(f"== {' '.join([module, *options])}", flush=True)
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", module, *options], check=True)
        print(f"   {time.monotonic() - started:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
