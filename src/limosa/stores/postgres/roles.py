"""Roles as which the application asks: who they are, and how limosa becomes one for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from limosa.model.checking import Role
from limosa.ports.application import Standing
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.names import quoted

__all__ = ["ITERATIVE", "acting_as", "standings"]

ITERATIVE = "hnsw.iterative_scan"

_READERS = """SELECT DISTINCT r.rolname FROM pg_class AS c
CROSS JOIN LATERAL (SELECT c.relacl AS acl UNION ALL
    SELECT t.attacl FROM pg_attribute AS t WHERE t.attrelid = c.oid AND NOT t.attisdropped) AS held
CROSS JOIN LATERAL aclexplode(held.acl) AS a
LEFT JOIN pg_roles AS r ON r.oid = a.grantee
WHERE c.oid = $1 AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner ORDER BY r.rolname"""
"""Who holds SELECT on the table, or on a column of it; NULL is PUBLIC, everybody."""

_EVERYBODY = Standing(
    role=Role(name="PUBLIC"),
    refused="everybody may read the table, and no role stands for everybody",
    do="name those that search in [[verify.roles]]",
)

_KNOWN = """SELECT r.rolname, r.rolsuper, r.rolbypassrls,
    pg_has_role(r.oid, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity,
    pg_has_role(current_user, r.oid, CASE WHEN $3 THEN 'SET' ELSE 'MEMBER' END)
FROM pg_roles AS r, pg_class AS c WHERE c.oid = $1 AND r.rolname = ANY ($2::text[])"""

_SETTINGS = """SELECT split_part(each, '=', 1), substr(each, strpos(each, '=') + 1)
FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole, unnest(s.setconfig) AS each
WHERE r.rolname = $1
    AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND each ~ '^(hnsw|ivfflat)[.]|^enable_|^search_path='
ORDER BY s.setdatabase"""
"""What decides which rows a search gives, of the settings that the role has when it logs in itself."""


@dataclass(frozen=True, slots=True)
class _Known:
    superuser: bool
    bypasses: bool
    owns: bool
    may_set: bool

    @property
    def exempt(self) -> str:
        if self.superuser:
            return "it is a superuser, whom no policy binds"
        if self.bypasses:
            return "it has BYPASSRLS, so no policy binds it"
        return "it owns the table, and no policy binds the owner" if self.owns else ""


def standings(tx: PostgresTx, table: int, named: Sequence[Role]) -> list[Standing] | None:
    """The named roles, else those that hold SELECT on the table or a column; None where no policy binds anybody.

    Args:
        table: its oid.
    """
    roles = list(named)
    everybody: list[Standing] = []
    if not roles:
        if not tx.raw("SELECT relrowsecurity FROM pg_class WHERE oid = $1", table)[0][0]:
            return None
        readers = [name for (name,) in tx.raw(_READERS, table)]
        roles = [Role(name=name) for name in readers if name is not None]
        everybody = [_EVERYBODY] if None in readers else []
    # From Postgres 16 on membership alone does not let a role SET ROLE (its release notes).
    newer = int(tx.raw("SHOW server_version_num")[0][0]) >= 160000
    rows = tx.raw(_KNOWN, table, [role.name for role in roles], newer)
    known = {str(name): _Known(*facts) for name, *facts in rows}
    user = str(tx.raw("SELECT current_user")[0][0])
    return [_standing(role, known.get(role.name), user) for role in roles] + everybody


def _standing(role: Role, known: _Known | None, user: str) -> Standing:
    if known is None:
        return Standing(role=role, refused="there is no such role", do=f"CREATE ROLE {quoted(role.name)};")
    if known.exempt:
        return Standing(role=role, exempt=known.exempt)
    if not known.may_set:
        return Standing(
            role=role, refused=f"{user} may not SET ROLE to it", do=f"GRANT {quoted(role.name)} TO {quoted(user)};"
        )
    return Standing(role=role)


@contextmanager
def acting_as(database: Database, role: Role) -> Iterator[PostgresTx]:
    """A read-only transaction as a role, rolled back; in a session of its own, which is closed.

    A setting that was set once is '' and not NULL for the rest of its session, which a policy may not bear.
    """
    with database.apart() as tx:
        own: list[tuple[Any, ...]] = tx.raw(_SETTINGS, role.name)
        for name, value in (("row_security", "on"), *own, *role.settings):
            tx.raw("SELECT set_config($1, $2, true)", name, value)
        tx.raw(f"SET LOCAL ROLE {quoted(role.name)}")
        yield tx
