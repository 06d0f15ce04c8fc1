"""The match function that applications call, over internal views that survive every rename."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from limosa.model.migration import Match
from limosa.model.operation import Operation
from limosa.stores.postgres.catalogue import Column, Function
from limosa.stores.postgres.names import Relation, literal, quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = ["OPERATORS", "SIMILARITIES", "MatchFunction", "Phase", "distance_operator"]

Phase = Literal["filling", "ready", "switched", "finished"]
"""What the function answers: old only; both, old first; both, new first; new only."""

OPERATORS = {"cosine": "<=>", "l2": "<->", "ip": "<#>", "l1": "<+>"}
SIMILARITIES = {"cosine": "1 - {0}", "l2": "1 / (1 + {0})", "ip": "-({0})", "l1": "1 / (1 + {0})"}
"""Distance operators of pgvector by metric, and how a distance becomes a similarity; greater is nearer."""


BY_NAME = {name: name for name in ("query_embedding", "match_threshold", "match_count", "filter")}
"""The arguments stand for themselves, as in the function's own body."""


def distance_operator(scope: Scope, metric: str) -> str:
    """The distance operator of a metric, qualified: no search_path decides what it means."""
    return f"OPERATOR({scope.operators}.{OPERATORS[metric]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchFunction:
    """One match function in all its phases.

    Attributes:
        relation: its name, resolved.
        returns: the columns it answers beside ``similarity``.
        old_base: element type of the old column.
        existing: the user's own function of this name; None where limosa makes it.
    """

    scope: Scope
    match: Match
    relation: Relation
    returns: tuple[Column, ...]
    metric: str
    old_base: str
    existing: Function | None

    @property
    def views(self) -> tuple[Relation, Relation]:
        """The internal views over the old and the new vectors."""
        return Relation("limosa", f"old_{self.scope.id}"), Relation("limosa", f"new_{self.scope.id}")

    @property
    def ambiguous(self) -> bool:
        """Both spaces have one size, so the size cannot tell which is meant."""
        return self.scope.old_dimensions == self.scope.new_dimensions

    @property
    def arguments(self) -> str:
        """As ``pg_get_function_arguments`` prints them."""
        extra = ", filter jsonb DEFAULT '{}'::jsonb" if self.match.filter else ""
        vector = self._vector
        return f"query_embedding {vector}, match_threshold double precision, match_count integer{extra}"

    @property
    def result(self) -> str:
        """As ``pg_get_function_result`` prints it, for columns whose names need no quotes."""
        listed = [f"{_plain(column.name)} {column.type}" for column in self.returns]
        return "TABLE(" + ", ".join([*listed, "similarity double precision"]) + ")"

    @property
    def _vector(self) -> str:
        # pg_get_function_arguments prints types as the search_path sees them; public is where pgvector lives mostly.
        schema = self.scope.extension_schema
        return "vector" if schema == "public" else f"{quoted(schema)}.vector"

    def make(self) -> list[Operation]:
        """The views and the function that answers in the old space only: the step expand."""
        old, new = self.views
        scope = self.scope
        return [
            Operation(
                id="match-views",
                step="expand",
                title="Make the two internal views that the match function reads",
                do=(
                    *self._view(old, scope.old(0)),
                    *self._view(new, scope.new(0)),
                    "GRANT USAGE ON SCHEMA limosa TO PUBLIC",
                    f"GRANT SELECT ON {old.sql}, {new.sql} TO PUBLIC",
                ),
                undo=(f"DROP VIEW IF EXISTS {old.sql}, {new.sql}",),
                probe=(
                    f"SELECT to_regclass({literal(new.sql)}) IS NOT NULL"
                    f" AND to_regclass({literal(old.sql)}) IS NOT NULL"
                ),
                lock="ACCESS SHARE",
            ),
            self.phase("filling", step="expand", before=None),
        ]

    def phase(self, phase: Phase, *, step: Literal["expand", "index"], before: Phase | None) -> Operation:
        """The operation that puts the function into a phase, and back into the one before."""
        titles = {
            "filling": f"Let {self.relation} read the views; the new space answers that it is not ready",
            "ready": f"Let {self.relation} answer callers of both spaces",
        }
        undo = self.statements(before) if before else self._restore()
        return Operation(
            id=f"match-{phase}",
            step=step,
            title=titles[phase],
            do=self.statements(phase),
            undo=undo,
            probe=self.probe(phase),
        )

    def probe(self, phase: Phase) -> str:
        """Whether the function stands in this phase: its body carries the mark."""
        return self._stands(self._mark(phase))

    def _stands(self, mark: str) -> str:
        return (
            "SELECT EXISTS (SELECT FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
            f" WHERE n.nspname = {literal(self.relation.schema)} AND p.proname = {literal(self.relation.name)}"
            f" AND position({literal(mark)} in p.prosrc) > 0)"
        )

    @property
    def own(self) -> str:
        """Whether the function that stands is limosa's, in whichever phase."""
        return self._stands(f"-- limosa {self.scope.id} ")

    def statements(self, phase: Phase) -> tuple[str, ...]:
        """The statements that put the function into a phase; without effect on calls in flight."""
        made = [self._create(phase, overload=False)]
        if self.ambiguous:
            made.append(self._create(phase, overload=True) if phase != "finished" else self._drop_overload())
        return tuple(made)

    def _restore(self) -> tuple[str, ...]:
        overload = (self._drop_overload(),) if self.ambiguous else ()
        if self.existing is not None:
            return (*overload, self.existing.definition.rstrip())
        return (*overload, f"DROP FUNCTION IF EXISTS {self.relation.sql}({self._types()})")

    def _types(self) -> str:
        extra = ", jsonb" if self.match.filter else ""
        return f"{quoted(self.scope.extension_schema)}.vector, double precision, integer{extra}"

    def _drop_overload(self) -> str:
        return f"DROP FUNCTION IF EXISTS {self.relation.sql}({self._types()}, text)"

    def _mark(self, phase: Phase) -> str:
        return f"-- limosa {self.scope.id} {phase}"

    def _view(self, view: Relation, seat: Seat) -> tuple[str, ...]:
        names = dict.fromkeys(
            [column.name for column in self.returns] + ([self.match.filter] if self.match.filter else [])
        )
        listed = ", ".join(f"t.{quoted(name)}" for name in names)
        vector = quoted("limosa vector")
        return (
            f"CREATE OR REPLACE VIEW {view.sql} WITH (security_invoker = true) AS"
            f" SELECT {listed}, {seat.value} AS {vector} FROM {self.scope.relation.sql} AS t{seat.joined('JOIN')}",
        )

    def _create(self, phase: Phase, *, overload: bool) -> str:
        extension = quoted(self.scope.extension_schema)
        extra = ""
        if self.match.filter:
            extra = ", filter jsonb" if overload else ", filter jsonb DEFAULT '{}'::jsonb"
        if overload:
            extra += ", space text"
        answered = ", ".join([*(f"{quoted(c.name)} {c.type}" for c in self.returns), "similarity double precision"])
        body = "\n".join(
            [self._mark(phase), "#variable_conflict use_column", "BEGIN", *self._body(phase, overload), "END"]
        )
        tag = "$limosa_match$"
        return (
            f"CREATE OR REPLACE FUNCTION {self.relation.sql}(query_embedding {extension}.vector,"
            f" match_threshold double precision, match_count integer{extra}) RETURNS TABLE({answered})"
            f" LANGUAGE plpgsql STABLE AS {tag}\n{body}\n{tag}"
        )

    def _body(self, phase: Phase, overload: bool) -> list[str]:
        scope = self.scope
        size = f"{quoted(scope.extension_schema)}.vector_dims(query_embedding)"
        old_first = phase in {"filling", "ready"}
        is_old, is_new = f"{size} = {scope.old_dimensions}", f"{size} = {scope.new_dimensions}"
        if self.ambiguous:
            wanted = "space" if overload else ("'old'" if old_first else "'new'")
            is_old, is_new = f"{is_old} AND {wanted} = 'old'", f"{is_new} AND {wanted} = 'new'"
        lines: list[str] = []
        if phase != "finished":
            lines += [f"  IF {is_old} THEN", self._answer("old"), "  RETURN; END IF;"]
        if phase == "filling":
            lines += [
                f"  IF {is_new} THEN"
                f" RAISE EXCEPTION 'the new vectors ({scope.new_dimensions} dimensions) are not ready'"
                " USING ERRCODE = 'object_not_in_prerequisite_state'; END IF;"
            ]
        else:
            lines += [f"  IF {is_new} THEN", self._answer("new"), "  RETURN; END IF;"]
        known = (
            f"{scope.new_dimensions}" if phase == "finished" else f"{scope.old_dimensions} or {scope.new_dimensions}"
        )
        lines.append(
            f"  RAISE EXCEPTION 'the query has % dimensions, not {known}', {size} USING ERRCODE = 'data_exception';"
        )
        return lines

    def body(self, side: Literal["old", "new"], given: Mapping[str, str] = BY_NAME) -> str:
        """The SELECT that answers callers of a side.

        Nearest first, then the threshold: the same rows as the other way round, and the index is used.

        Args:
            given: what stands for the arguments, by their names.
        """
        scope, view = self.scope, self.views[side == "new"]
        cast = f"{given['query_embedding']}::{quoted(scope.extension_schema)}"
        cast += f".{quoted(scope.base if side == 'new' else self.old_base)}"
        distance = f"v.{quoted('limosa vector')} {distance_operator(scope, self.metric)} {cast}"
        columns = ", ".join(f"v.{quoted(column.name)}" for column in self.returns)
        outer = ", ".join(f"s.{quoted(column.name)}" for column in self.returns)
        kept = f" WHERE v.{quoted(self.match.filter)} @> {given['filter']}" if self.match.filter else ""
        similarity = SIMILARITIES[self.metric].format("s.limosa_distance")
        return (
            f"SELECT {outer}, ({similarity})::double precision FROM ("
            f"SELECT {columns}, {distance} AS limosa_distance FROM {view.sql} AS v{kept}"
            f" ORDER BY {distance} LIMIT {given['match_count']}) AS s"
            f" WHERE ({similarity}) > {given['match_threshold']} ORDER BY s.limosa_distance"
        )

    def _answer(self, side: Literal["old", "new"]) -> str:
        return f"    RETURN QUERY {self.body(side)};"


def _plain(name: str) -> str:
    plain = name.isascii() and name.replace("_", "a").isalnum() and name.islower() and not name[0].isdigit()
    return name if plain else quoted(name)
