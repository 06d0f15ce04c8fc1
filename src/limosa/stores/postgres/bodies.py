"""Functions whose body is text and names the vector column or its size: the very lines, and the change they need."""

from __future__ import annotations

import re
from collections.abc import Set

from limosa.model.plan import Check
from limosa.stores.postgres.catalogue import Dependent, sized
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Surroundings

__all__ = ["body_checks"]

WIDTH = 120
"""Characters of a line that are shown."""


def body_checks(scope: Scope, around: Surroundings, *, own: Set[str]) -> list[Check]:
    """A note for each function that a switch does not follow: Postgres looks at such a body only when it is called.

    Args:
        own: signatures of the match function, which limosa writes itself.
    """
    called = {function for _, function in around.trigger_bodies}
    bodies = [each for each in around.dependents if each.kind == "body" and each.name not in own | called]
    return [_body(scope, each) for each in bodies]


def _body(scope: Scope, body: Dependent) -> Check:
    lines = list(enumerate(body.source.splitlines(), 1))
    word = re.compile(rf'(?<!\w)"?{re.escape(scope.vector)}"?(?!\w)', re.IGNORECASE)
    size = re.compile(sized(scope.old_dimensions), re.IGNORECASE)
    naming = [(number, line) for number, line in lines if word.search(line)]
    sizing = [(number, line) for number, line in lines if size.search(line)]
    said = f"The function {body.name} names {scope.vector} or its size, and is not rewritten: "
    said += "; ".join(_shown(number, line) for number, line in dict(naming + sizing).items())
    parts = []
    if naming and scope.beside is None:
        parts.append(
            f"From cutover on {scope.vector} there means the new vectors: let its callers ask with"
            f" {scope.new_dimensions:,} dimensions from then on, or name it as function in [target.match]."
        )
    elif naming:
        parts.append(
            f"Before finish, which drops the old vectors, let it read {scope.vector} of {scope.beside};"
            " or name it as function in [target.match]."
        )
    new = f"{scope.base}({scope.new_dimensions})"
    parts += [f"At cutover, {_shown(number, size.sub(new, line))}." for number, line in sizing]
    return Check(name="function", verdict="note", said=said, do=" ".join(parts))


def _shown(number: int, line: str) -> str:
    return f"line {number}: {line.strip()[:WIDTH]}"
