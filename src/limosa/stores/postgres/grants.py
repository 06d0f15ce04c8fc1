"""Checks of what the role may do and see, with the very statement that mends it."""

from __future__ import annotations

from limosa.model.plan import Check
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Surroundings

__all__ = ["grant_checks", "row_security_checks", "sees_all_rows"]


def grant_checks(table: Table, scope: Scope, around: Surroundings) -> list[Check]:
    """Everything that is missing, each with the GRANT to run."""
    grants, role, relation = around.grants, quoted(table.server.user), table.relation
    missing: list[tuple[str, str, str]] = []
    if not table.owned:
        missing.append(
            (
                f"{table.server.user} does not own {relation}; {table.owner} does.",
                "Membership in the owner's role: only an owner may add a column, a trigger or an index.",
                f"GRANT {quoted(table.owner)} TO {role}; or ALTER TABLE {relation.sql} OWNER TO {role};",
            )
        )
    rights = [name for name, held in (("SELECT", grants.select), ("UPDATE", grants.update)) if not held]
    if rights:
        listed = ", ".join(rights)
        missing.append(
            (
                f"{table.server.user} lacks {listed} on {relation}.",
                f"{listed}.",
                f"GRANT {listed} ON {relation.sql} TO {role};",
            )
        )
    missing += _schemas(table, scope, around)
    if not missing:
        return [Check(name="privilege", verdict="ok", said=f"{table.server.user} may do all that is planned.")]
    return [Check(name="privilege", verdict="refused", said=said, needed=needed, do=do) for said, needed, do in missing]


def _schemas(table: Table, scope: Scope, around: Surroundings) -> list[tuple[str, str, str]]:
    grants, user = around.grants, table.server.user
    role, schema = quoted(user), table.relation.schema
    missing = []
    rights = [name for name, held in (("USAGE", grants.schema_usage), ("CREATE", grants.schema_create)) if not held]
    if rights and scope.shape == "fill":
        rights = [name for name in rights if name == "USAGE"]
    if rights:
        listed = ", ".join(rights)
        why = f"{listed}, for the index and the match function."
        missing.append(
            (
                f"{user} lacks {listed} on the schema {schema}.",
                why,
                f"GRANT {listed} ON SCHEMA {quoted(schema)} TO {role};",
            )
        )
    if not grants.extension_usage:
        ours = quoted(scope.extension_schema)
        missing.append(
            (
                f"{user} may not use the schema {scope.extension_schema}, in which pgvector lies.",
                "USAGE.",
                f"GRANT USAGE ON SCHEMA {ours} TO {role};",
            )
        )
    if not grants.ledger and not table.server.may_create:
        missing.append(
            (
                f"{user} may not make the schema limosa in {table.server.database}.",
                "CREATE on the database, for the ledger and the change table.",
                f"GRANT CREATE ON DATABASE {quoted(table.server.database)} TO {role};"
                f" or CREATE SCHEMA limosa AUTHORIZATION {role};",
            )
        )
    if grants.ledger and not grants.ledger_owned:
        missing.append(
            (
                f"The schema limosa belongs to {grants.ledger_owner}.",
                "One owner for the ledger: the role that began with limosa in this database.",
                f"GRANT {quoted(grants.ledger_owner)} TO {role};",
            )
        )
    return missing


def sees_all_rows(table: Table) -> bool:
    """No policy hides a row from this role: none is on, it bypasses them, or owns the table and they are not forced."""
    if not table.row_security or table.server.sees_all_rows:
        return True
    return table.owned and not table.forced_row_security


def row_security_checks(table: Table) -> list[Check]:
    """A hidden row would be a lost row that no count shows."""
    if sees_all_rows(table):
        return []
    role = quoted(table.server.user)
    do = f"ALTER ROLE {role} BYPASSRLS;"
    if not table.forced_row_security:
        do += f" or GRANT {quoted(table.owner)} TO {role};"
    return [
        Check(
            name="row-security",
            verdict="refused",
            said=f"Row security is {'forced' if table.forced_row_security else 'on'} for {table.relation}:"
            f" policies may hide rows from {table.server.user}.",
            needed="A role that sees every row.",
            do=do,
        )
    ]
