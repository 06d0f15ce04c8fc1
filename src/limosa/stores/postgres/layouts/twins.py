"""Dependents of the old vectors travel: each gets a twin over the new ones, which takes its name at the switch.

A view cannot change the type of a column, and a materialized view cannot be filled while the table is locked. So the
switch is rehearsed: in one short transaction the columns take the names that they will have, each dependent is made a
second time from its own definition, and every name is put back. What was made is bound to the new column by its number,
whatever that is called; it is filled and indexed in peace, and the switch only has to rename.
"""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.operation import Operation, Step
from limosa.stores.postgres.dependents import HeldName, Remade, listed
from limosa.stores.postgres.names import Relation, dollar_quoted, literal, quoted, shortened
from limosa.stores.postgres.partitions import self_and_partitions
from limosa.stores.postgres.scope import Scope

__all__ = ["Twins", "held_names", "together"]

_TWIN, _PARKED = "_limosa", "_limosa_old"


@dataclass(frozen=True, slots=True)
class Twins:
    """What hangs on the old vectors, and how it comes to stand over the new ones.

    Attributes:
        remade: first what others need.
    """

    scope: Scope
    remade: tuple[Remade, ...] = ()

    @property
    def doubled(self) -> tuple[Remade, ...]:
        """Those that get a twin; policies and functions, which hold no data, are made anew in the switch itself."""
        return tuple(each for each in self.remade if each.names)

    @property
    def parked(self) -> list[Relation]:
        """The old views, as they are called after the switch."""
        return [_as(each.names[0], _PARKED).relation for each in self.doubled]

    @property
    def lock(self) -> str:
        """Locks views before what they read, as whoever reads through them does: the other way round is a deadlock."""
        views = [each.names[0].relation.sql for each in reversed(self.doubled) if each.kind == "view"]
        return f"LOCK TABLE {', '.join([*views, self.scope.relation.sql])} IN ACCESS EXCLUSIVE MODE"

    def make(self) -> list[Operation]:
        """The step index: the twins, and the rows of materialized ones."""
        if not self.doubled:
            return []
        scope, table = self.scope, self.scope.relation.sql
        names = [each.names[0] for each in self.doubled]
        rename = f"ALTER TABLE {table} RENAME COLUMN"
        plain, work, parked = (quoted(each) for each in (scope.vector, scope.new(0).column, scope.old(1).column))
        made = Operation(
            id="make-twins",
            step="index",
            title=f"Make {listed(self.doubled)} a second time, over the new vectors",
            do=(
                self.lock,
                together(
                    self.as_planned(),
                    f"{rename} {plain} TO {parked}",
                    f"{rename} {work} TO {plain}",
                    *(s for each in self.doubled for s in (*_renamed(each, "", _PARKED), *each.create)),
                    *(s for each in self.doubled for s in (*_renamed(each, "", _TWIN), *_renamed(each, _PARKED, ""))),
                    f"{rename} {plain} TO {work}",
                    f"{rename} {parked} TO {plain}",
                ),
            ),
            undo=tuple(_drop(_as(name, _TWIN)) for name in reversed(names)),
            probe="SELECT " + " AND ".join(_exists(_as(name, _TWIN)) for name in names),
            lock="ACCESS EXCLUSIVE",
        )
        return [made, *self._fill("fill-twins", "index", "Fill")]

    def fill_again(self) -> list[Operation]:
        """The step cutover, before the switch: rows that came since are in materialized twins too."""
        return self._fill("refill-twins", "cutover", "Fill once more")

    def switch(self) -> list[str]:
        """After the columns have changed names: twins take the names, policies and functions are made anew."""
        renames = [s for each in self.doubled for s in (*_renamed(each, "", _PARKED), *_renamed(each, _TWIN, ""))]
        return renames + self._again()

    def switch_back(self) -> list[str]:
        """After the columns have changed names back: the old ones have theirs again."""
        renames = [s for each in self.doubled for s in (*_renamed(each, "", _TWIN), *_renamed(each, _PARKED, ""))]
        return renames + self._again()

    def drop_old(self) -> list[str]:
        """The step finish: the old ones go, last first; before the old vectors do."""
        return [_drop(_as(each.names[0], _PARKED)) for each in reversed(self.doubled)]

    def as_planned(self) -> str:
        """Fails, and says so, unless what hangs on the column is what plan saw: anything else would be lost."""
        column = f"{self.scope.relation}.{self.scope.vector}"
        needed = literal(f"What reads {column}, as it was at plan.")
        hint = literal("Put it back as it was and repeat the command; or limosa rollback FILE, then begin anew.")
        body = (
            "DECLARE path text := current_setting('search_path'); said text; BEGIN\n"
            "  PERFORM set_config('search_path', '', true);\n"
            f"  said := concat_ws(', ', ({self._changed()}), ({self._strangers()}));\n"
            "  PERFORM set_config('search_path', path, true);\n"
            "  IF said <> '' THEN RAISE EXCEPTION USING"
            " MESSAGE = 'limosa: Changed, gone or made since the plan: ' || said || '.',"
            f" DETAIL = {needed}, HINT = {hint}; END IF;\n"
            "END"
        )
        return f"DO {dollar_quoted(body)}"

    def _changed(self) -> str:
        known = [each for each in self.remade if each.state]
        if not known:
            return "NULL"
        rows = ", ".join(
            f"({literal(f'{each.kind} {each.name}')}, {literal(each.state)}, ({each.asks}))" for each in known
        )
        return (
            f"SELECT string_agg(e.name, ', ') FROM (VALUES {rows}) AS e(name, planned, now)"
            " WHERE e.now IS DISTINCT FROM e.planned"
        )

    def _strangers(self) -> str:
        """Views over the column, or over what hangs on it, that plan did not see; limosa's own left out."""
        views = [each.names[0].relation.sql for each in self.remade if each.kind in {"view", "materialized view"}]
        known = f"ARRAY[{', '.join(f'to_regclass({literal(name)})' for name in views)}]::oid[]"
        column = literal(self.scope.vector)
        return (
            "SELECT string_agg(DISTINCT 'view ' || v.oid::regclass::text, ', ') FROM pg_depend AS d"
            " JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid"
            " JOIN pg_class AS v ON v.oid = r.ev_class"
            " LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
            " WHERE d.refclassid = 'pg_class'::regclass AND v.relnamespace <> 'limosa'::regnamespace"
            f" AND coalesce(v.oid <> ALL ({known}), true)"
            f" AND (d.refobjid = ANY ({known}) OR d.refobjid IN ({self_and_partitions(self.scope.relation)})"
            f" AND a.attname = {column})"
        )

    def _fill(self, name: str, step: Step, verb: str) -> list[Operation]:
        filled = [each for each in self.doubled if each.refresh]
        if not filled:
            return []
        return [
            Operation(
                id=name,
                step=step,
                title=f"{verb} {', '.join(str(_as(each.names[0], _TWIN).relation) for each in filled)}",
                do=tuple(f"REFRESH MATERIALIZED VIEW {_as(each.names[0], _TWIN).relation.sql}" for each in filled),
                transactional=False,
                # The view's owner reads, and sees what policies let it see; limosa's own setting would be an error.
                settings=(("row_security", "on"),),
            )
        ]

    def _again(self) -> list[str]:
        """Policies and functions from their own text, in which names mean what they mean now."""
        made: list[str] = []
        for each in self.remade:
            if each.kind == "policy":
                made += [each.drop, *each.create]
            elif each.kind == "function":
                # It is replaced in place: owner, rights and comment stay.
                made.append(each.create[0].rstrip())
        return made


def together(*statements: str) -> str:
    """Statements that go to the server at once: under a lock no way there and back is waited for between them."""
    return ";\n".join(statement.rstrip().removesuffix(";") for statement in statements)


def held_names(remade: tuple[Remade, ...]) -> list[HeldName]:
    """Every name that twins and what they replace will hold for a time."""
    return [_as(name, suffix) for each in remade for name in each.names for suffix in (_TWIN, _PARKED)]


def _as(name: HeldName, suffix: str) -> HeldName:
    own = name.relation
    return HeldName(name.kind, Relation(own.schema, shortened(own.name, suffix)) if suffix else own)


def _renamed(each: Remade, now: str, then: str) -> list[str]:
    """Itself and what belongs to it; an index keeps the schema of its table."""
    return [
        f"ALTER {name.kind} {_as(name, now).relation.sql} RENAME TO {quoted(_as(name, then).relation.name)}"
        for name in each.names
    ]


def _drop(name: HeldName) -> str:
    return f"DROP {name.kind} IF EXISTS {name.relation.sql}"


def _exists(name: HeldName) -> str:
    own = name.relation
    if name.kind == "STATISTICS":
        return (
            f"EXISTS (SELECT FROM pg_statistic_ext WHERE stxname = {literal(own.name)}"
            f" AND stxnamespace = to_regnamespace({literal(quoted(own.schema))}))"
        )
    return f"to_regclass({literal(own.sql)}) IS NOT NULL"
