"""The package ``vecshift`` on the same table and server, where it can be installed into a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["rate_of", "rival"]

_JOB = """version: 1
name: rival
source: {{dsn_env: LIMOSA_BENCH_URL, table: docs, vector_column: embedding, text_column: body}}
target: {{column: fresh, index: none}}
model: "compat/drawn,url={base_url},dims={d},price=0.02,batch={batch}"
"""


@contextmanager
def rival() -> Iterator[Path | None]:
    """Its program, newly installed; None, with the reason printed, where that does not go."""
    with TemporaryDirectory(prefix="limosa-bench-") as folder:
        bin_ = Path(folder) / "venv" / "bin"
        try:
            subprocess.run([sys.executable, "-m", "venv", str(bin_.parent)], check=True)
            subprocess.run(
                [str(bin_ / "python"), "-m", "pip", "install", "--quiet", "--quiet", "--quiet", "vecshift"],
                check=True,
                timeout=300,
            )
        except (subprocess.SubprocessError, OSError) as error:
            print(f"vecshift was not measured: it could not be installed ({type(error).__name__})")
            yield None
            return
        yield bin_ / "vecshift"


def rate_of(program: Path, base_url: str, *, d: int, batch: int) -> float:
    """Rows/s of ``vecshift apply`` from its first finished batch to its last: without its start."""
    seen: list[tuple[float, int]] = []
    with TemporaryDirectory(prefix="limosa-bench-") as folder:
        job = Path(folder) / "vecshift.yaml"
        job.write_text(_JOB.format(base_url=base_url, d=d, batch=batch), encoding="utf-8")
        argv = [str(program), "apply", "--yes", "--no-index", "--json", str(job)]
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "HOME": folder}, cwd=folder
        )
        assert process.stdout is not None
        for line in process.stdout:
            rows = _rows(line)
            if rows is not None:
                seen.append((time.perf_counter(), rows))
        if process.wait() or len(seen) < 2:
            raise RuntimeError(f"vecshift ended with {process.returncode}")
    (started, before), (ended, after) = seen[0], seen[-1]
    return (after - before) / (ended - started)


def _rows(line: str) -> int | None:
    event = json.loads(line)
    return int(event["rows_written"]) if event["event"] == "batch" else None
