"""Judged search and duplicates before and after an upgrade from hashed words to a sentence model.

    python -m bench.quality

Two tables of real text are upgraded by limosa on an embedded server: answers about health, searched
with real questions (nDCG@10), and questions of which some mean the same (pairs found at one precision).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from bench.judged import Judged, ndcg, read_judged, recall_at_precision, sampled
from limosa.app import App, open_app
from limosa.errors import ProofFailed
from limosa.stores.postgres.embedded import start

__all__ = ["Pairs", "Ranks", "STORE", "compare_pairs", "compare_ranks", "main"]

STORE = "LIMOSA_QUALITY_DB"
"""The environment variable in which the benchmark's database stands."""

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODEL = "models/minilm-l6-v2-int8"
OLD = {"provider": "hashing", "model": "words-1", "dimensions": 256}
INDEX = {"kind": "hnsw", "m": 16, "ef_construction": 128}
"""Twice pgvector's default ef_construction: with 64 some builds of this sample lost the first answer of one or two
of 150 queries, which is 0.007 to 0.013 of nDCG@10; with 128 and more none of 24 builds lost any."""

ACCEPTED = frozenset({"--accept-reconnect", "--accept-triggers", "--accept-slow"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Mean nDCG@10 of the same queries.

    Attributes:
        before: old space, through its index, before limosa began.
        after: new space, through its index, after cutover.
        exact: new space, every row compared.
        recall: recall@10 of the new index, as verify measured it.
    """

    rows: int
    queries: int
    before: float
    after: float
    exact: float
    recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """True pairs found among those that a person would look at, at one precision in both spaces."""

    rows: int
    true_pairs: int
    precision: float
    found_before: int
    found_after: int
    threshold_before: float
    threshold_after: float


def compare_ranks(judged: Judged, *, model: Path, oversize: str = "truncate") -> Ranks:
    """Upgrades a table of the judged texts and searches it before and after.

    The planner may not read the whole table, so that each search but the exact one goes through an index.
    """
    with _migration("answers", judged.texts, model, oversize) as app:
        before = _mean_ndcg(app, judged, side="old")
        proofs = {proof.name: proof for proof in app.run(accept=ACCEPTED).proofs}
        app.cutover()
        after, exact = _mean_ndcg(app, judged, side="new"), _mean_ndcg(app, judged, side="new", exact=True)
        if proofs["index"].evidence["used"] != "planned":
            raise ProofFailed("The searches did not go through the index.")
        return Ranks(
            rows=len(judged.texts),
            queries=len(judged.queries),
            before=before,
            after=after,
            exact=exact,
            recall=float(str(proofs["recall"].evidence["recall"])),
        )


def compare_pairs(judged: Judged, *, model: Path, precision: float = 0.9) -> Pairs:
    """Upgrades a table of all texts, asked and searched, and lists the pairs of either space.

    Only pairs of a question that was asked and one that is searched are judged; others are left out.
    """
    true = {(query, text) for query, found in judged.relevant.items() for text in found}
    with _migration("questions", {**judged.texts, **judged.queries}, model, "truncate") as app:
        app.run(accept=ACCEPTED)
        sides = app.duplicates(threshold=0.3, limit=20 * len(true))
    figures: list[tuple[int, float]] = []
    for side in sides:
        ranked = [
            (pair.similarity, (a, b) in true or (b, a) in true)
            for pair in side.pairs
            if ((a := pair.a[0]) in judged.queries) != ((b := pair.b[0]) in judged.queries)
        ]
        right, taken = recall_at_precision([each for _, each in ranked], total=len(true), precision=precision)
        figures.append((right, ranked[taken - 1][0] if taken else 1.0))
    (before, low), (after, high) = figures
    return Pairs(
        rows=len(judged.texts) + len(judged.queries),
        true_pairs=len(true),
        precision=precision,
        found_before=before,
        found_after=after,
        threshold_before=low,
        threshold_after=high,
    )


@contextmanager
def _migration(table: str, texts: Mapping[str, str], model: Path, oversize: str) -> Iterator[App]:
    """A table whose old vectors limosa has filled and indexed, and the migration to the new model."""
    with psycopg.connect(os.environ[STORE], autocommit=True) as connection:
        database = connection.execute("SELECT current_database()").fetchall()[0][0]
        connection.execute(f'ALTER DATABASE "{database}" SET enable_seqscan = off'.encode())
        connection.execute(f"CREATE TABLE {table} (id text PRIMARY KEY, text text, embedding vector(256))".encode())
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)".encode(), list(texts.items()))
    source = {
        "store": f"env:{STORE}",
        "table": table,
        "key": "id",
        "text": "text",
        "vector": "embedding",
        "space": OLD,
    }
    old = open_app({"name": f"{table}-old", "source": source})
    old.run(accept=ACCEPTED)
    old.finish(now=True)
    old.close()
    with psycopg.connect(os.environ[STORE], autocommit=True) as connection:
        connection.execute(f"CREATE INDEX ON {table} USING hnsw (embedding vector_cosine_ops)".encode())
    space = {"provider": "onnx", "model": str(model), "dimensions": 384}
    app = open_app(
        {
            "name": table,
            "source": source,
            "target": {"space": space, "index": INDEX},
            "backfill": {"oversize": oversize},
        }
    )
    try:
        yield app
    finally:
        app.close()


def _mean_ndcg(app: App, judged: Judged, *, side: str, exact: bool = False) -> float:
    worth = 0.0
    for query, text in judged.queries.items():
        found = next(each for each in app.search(text, k=10, exact=exact) if each.side == side)
        worth += ndcg([hit.key[0] for hit in found.hits], judged.relevant[query])
    return worth / len(judged.queries)


def main() -> None:
    """Measures and prints, with the conditions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with data/ and models/")
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--pairs", type=int, default=1000, help="questions whose duplicates are looked for")
    given = parser.parse_args()
    model = given.shared / MODEL
    if not model.is_dir():
        print("not measured: the judged data and the model are not part of the repository; name them by --shared DIR")
        return
    answers = sampled(read_judged(given.shared / "data/medquad_qa"), queries=given.queries, rows=given.rows)
    questions = sampled(read_judged(given.shared / "data/rqe"), queries=given.pairs, rows=given.pairs)
    print(f"hashing/words-1 (256) -> {model.name} (384, first 256 tokens); HNSW m = 16, ef_construction = 128; seed 7")
    with tempfile.TemporaryDirectory(prefix="limosa-quality-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # a server started by root runs as another user
        with start(home / "server") as server:
            os.environ[STORE] = server.url()
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("CREATE EXTENSION vector")
                print(connection.execute("SELECT version()").fetchall()[0][0].split(",")[0])
            _show("search", lambda: asdict(compare_ranks(answers, model=model)))
            _show("duplicates", lambda: asdict(compare_pairs(questions, model=model)))


def _show(title: str, work: Callable[[], dict[str, float]]) -> None:
    began = time.monotonic()
    figures = work()
    print(f"{title} ({time.monotonic() - began:.0f} s)")
    for name, value in figures.items():
        print(f"  {name:<18} {value:.4f}" if isinstance(value, float) else f"  {name:<18} {value:,}")


if __name__ == "__main__":
    main()
