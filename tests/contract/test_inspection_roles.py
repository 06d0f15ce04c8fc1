"""What a role may not do or see, and what stands between it and the server: told with the statement that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from limosa.app import open_app
from limosa.errors import Refused
from tests.contract.ills_of_objects import MATCH, match_function
from tests.contract.plans import named, planned
from tests.postgres.pooler import Pooler
from tests.postgres.questions import changed, dump, elsewhere, execute, job, make_questions, title_of


@dataclass(frozen=True)
class Role:
    """A role of its own in one database: who it is, and the address under its name."""

    name: str
    url: str


@pytest.fixture
def role(database: str) -> Iterator[Role]:
    name = "role_" + title_of(database)
    make_questions(database)
    execute(database, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    address = elsewhere(database, user=name, password="secret")
    yield Role(name, address)
    execute(database, f"REASSIGN OWNED BY {name} TO CURRENT_USER", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_every_missing_privilege_is_told_with_its_grant(database: str, role: Role) -> None:
    before = dump(database)
    plan = planned(job(role.url))
    found = [check for check in plan.refusals if check.name == "privilege"]
    told = "\n".join(check.do for check in found)
    title = title_of(database)
    for part in (
        f'GRANT "postgres" TO "{role.name}"',
        f'GRANT SELECT, UPDATE ON "public"."questions" TO "{role.name}"',
        f'GRANT CREATE ON SCHEMA "public" TO "{role.name}"',
        f'GRANT CREATE ON DATABASE "{title}" TO "{role.name}"',
    ):
        assert part in told
    assert plan.counts == {}
    app = open_app(job(role.url))
    with pytest.raises(Refused, match="does not own"):
        app.run(accept=frozenset({"--yes"}))
    app.close()
    assert dump(database) == before


def test_with_the_grants_that_were_told_it_is_taken(database: str, role: Role) -> None:
    title = title_of(database)
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        f"GRANT CREATE ON DATABASE {title} TO {role.name}",
        "CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER touched BEFORE UPDATE ON questions FOR EACH ROW EXECUTE FUNCTION touched()",
        "CREATE TRIGGER titled BEFORE UPDATE OF title ON questions FOR EACH ROW EXECUTE FUNCTION touched()",
    )
    plan = planned(job(role.url))
    assert not plan.refusals, plan.refusals
    # This role may not rest the triggers: the one that fires for limosa's own column is asked about.
    told = named(plan, "triggers")
    assert told.flag == "--accept-triggers"
    assert "is filled" not in told.said
    assert "fills: touched." in told.said
    assert f'GRANT SET ON PARAMETER session_replication_role TO "{role.name}"' in told.said
    assert not [check for check in planned(job(database)).checks if check.name == "triggers"]


def test_a_view_of_another_owner_is_refused(database: str, role: Role) -> None:
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        f"GRANT CREATE ON DATABASE {title_of(database)} TO {role.name}",
        "CREATE VIEW q AS SELECT id, embedding FROM questions",
    )
    told = named(planned(job(role.url)), "dependents")
    assert told.verdict == "refused"
    assert "view public.q belongs to postgres" in told.said
    assert told.do.startswith('GRANT "postgres" TO')


def test_a_ledger_of_another_owner_is_told(database: str, role: Role) -> None:
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        "CREATE SCHEMA limosa",
    )
    told = [check for check in planned(job(role.url)).refusals if check.name == "privilege"]
    assert [check.said for check in told] == ["The schema limosa belongs to postgres."]


def test_rows_that_policies_hide_are_refused(database: str, role: Role) -> None:
    title = title_of(database)
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        f"GRANT CREATE ON DATABASE {title} TO {role.name}",
        "ALTER TABLE questions ENABLE ROW LEVEL SECURITY",
    )
    assert not planned(job(role.url)).refusals
    execute(database, "ALTER TABLE questions FORCE ROW LEVEL SECURITY")
    plan = planned(job(role.url))
    assert [check.name for check in plan.refusals] == ["row-security"]
    assert named(plan, "row-security").do == f'ALTER ROLE "{role.name}" BYPASSRLS;'
    execute(database, f"ALTER ROLE {role.name} BYPASSRLS")
    assert not planned(job(role.url)).refusals


def test_a_match_function_of_another_owner_is_refused(database: str, role: Role) -> None:
    title = title_of(database)
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        f"GRANT CREATE ON DATABASE {title} TO {role.name}",
        match_function(),
    )
    told = named(planned(changed(job(role.url), MATCH)), "match")
    assert told.verdict == "refused"
    assert "belongs to postgres" in told.said
    assert f'OWNER TO "{role.name}"' in told.do


def test_a_pooler_in_transaction_mode_is_found(database: str) -> None:
    make_questions(database)
    before = dump(database)
    with Pooler(database) as pooler:
        plan = planned(job(pooler.url))
    told = named(plan, "pooler")
    assert told.verdict == "refused"
    assert "5432" in told.do
    assert dump(database) == before


def test_a_pooler_that_takes_no_settings_is_told(database: str) -> None:
    with Pooler(database, settings=False) as pooler, pytest.raises(Refused, match="takes no settings"):
        planned(job(pooler.url))
