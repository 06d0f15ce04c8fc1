"""Disclosure: what of a migration may be told to anybody: no key of a row, no foreign words, no address."""

from __future__ import annotations

import re
from dataclasses import replace

from limosa.model.proof import Proof

__all__ = ["own_words", "reference", "shown"]

LONGEST = 120
"""Characters of a word or name in the evidence: a longer one is somebody's text."""


QUOTING = frozenset({"match function"})
"""Proofs that quote an answer whatever their verdict: that of the application's function, behind the last colon."""

PRIVATE_SQL = frozenset({"canary", "roles"})
"""Proofs whose SQL holds words of the file that may be anybody's: the template of a text, and what an application sets
for its session. That of the others names tables, columns and the filter, which are shown anyway, and no key: its
queries are the first stored vectors."""


def shown(proof: Proof) -> Proof:
    """A proof without keys of rows, and without what a provider or a database said in its own words."""
    # Keys stand behind these words, and nothing else does.
    said = re.split(r"[ (,;:]*\bfor example\b", proof.said, maxsplit=1)[0]
    if proof.verdict == "unchecked" or proof.name in QUOTING:
        said = own_words(said)
    evidence = _figures(proof.evidence)
    if "sql" in proof.evidence and proof.name not in PRIVATE_SQL:
        evidence["sql"] = proof.evidence["sql"]
    return replace(proof, said=said, evidence=evidence)


def own_words(said: str) -> str:
    """What stands after a colon is what somebody else answered, and may quote a text."""
    return said.split(": ", 1)[0]


def _figures(evidence: dict[str, object]) -> dict[str, object]:
    """Numbers and names; lists of anything but numbers are keys."""
    shown: dict[str, object] = {}
    for name, value in evidence.items():
        if isinstance(value, dict):
            shown[name] = _figures(value)
        elif name == "sql":
            continue
        elif value is None or isinstance(value, int | float):
            shown[name] = value
        elif isinstance(value, str):
            shown[name] = own_words(value)[:LONGEST]
        elif isinstance(value, list | tuple) and value and all(isinstance(each, int | float | None) for each in value):
            shown[name] = list(value)
    return shown


def reference(store: str) -> str:
    """What may be shown of a store's address: the variable's name, or what kind of store it is."""
    return store if re.fullmatch(r"env:\w+", store) else re.split(r"[:/]", store, maxsplit=1)[0]
