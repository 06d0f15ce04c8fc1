"""An ordinary owner of the table, without a superuser's means, goes the whole way; so does an RLS-protected table."""

from __future__ import annotations

import psycopg
import pytest

from limosa.errors import Refused
from tests.crash.world import dump, fill_table
from tests.journey.world import NEW, OLD, Searcher, Writer, docs_app, stale_rows
from tests.providers.openai_server import OpenAIServer

ACCEPT = frozenset({"--accept-reconnect"})


@pytest.fixture
def owner_url(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """``docs``, with row-level security, an audit trigger and an application's role, owned by a plain role."""
    fill_table(database, rows=120)
    info = psycopg.conninfo.conninfo_to_dict(database)
    owner, reader = f"owner_{info['dbname']}", f"reader_{info['dbname']}"
    with psycopg.connect(database, autocommit=True) as connection:
        for role in (owner, reader):
            connection.execute(f"DROP ROLE IF EXISTS {role}")
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'plain'")
        connection.execute(f"GRANT CREATE ON DATABASE {info['dbname']} TO {owner}")
        connection.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {owner}")
        connection.execute("CREATE TABLE audit (id bigint)")
        connection.execute(
            "CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            " 'BEGIN INSERT INTO public.audit VALUES (new.id); RETURN new; END'"
        )
        connection.execute(
            "CREATE TRIGGER audited AFTER UPDATE ON docs FOR EACH ROW"
            " WHEN (old.note IS DISTINCT FROM new.note) EXECUTE FUNCTION audited()"
        )
        connection.execute(f"ALTER TABLE docs OWNER TO {owner}")
        connection.execute(f"ALTER FUNCTION match_docs(vector, double precision, integer) OWNER TO {owner}")
        connection.execute("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
        connection.execute(f"CREATE POLICY seen ON docs FOR SELECT TO {reader} USING (id % 2 = 0)")
        connection.execute(f"GRANT SELECT ON docs TO {reader}")
    url = database.replace(f"{info['user']}:{info['password']}@", f"{owner}:plain@")
    monkeypatch.setenv("LIMOSA_TEST_URL", url)
    return url


def test_a_plain_owner_goes_there_and_back_beside_an_application(
    database: str, owner_url: str, openai_server: OpenAIServer
) -> None:
    before = dump(database)
    app = docs_app(openai_server.base_url)
    with pytest.raises(Refused, match="trigger"):
        app.run(accept=ACCEPT)
    assert dump(database) == before
    accept = ACCEPT | {"--accept-triggers"}
    app.run(accept=accept)
    app.cutover()
    app.rollback()
    assert dump(database) == before
    with Writer(owner_url) as writer, Searcher(owner_url) as searcher:
        app.run(accept=accept)
        app.cutover()
        app.run()
    app.run()
    assert not writer.errors + searcher.errors
    assert searcher.empty == 0
    assert not stale_rows(database, "embedding", model=NEW[0], d=NEW[1])
    app.finish(now=True)
    app.close()


def test_a_tenant_sees_its_rows_and_no_others_all_the_way(
    database: str, owner_url: str, openai_server: OpenAIServer
) -> None:
    app = docs_app(openai_server.base_url)
    tenant = owner_url.replace("owner_", "reader_", 1)
    app.run(accept=ACCEPT | {"--accept-triggers"})
    answers = [_seen(tenant, OLD)]
    app.cutover()
    answers += [_seen(tenant, OLD), _seen(tenant, NEW)]
    app.finish(now=True)
    answers += [_seen(tenant, NEW)]
    app.close()
    for answer in answers:
        assert answer
        assert all(key % 2 == 0 for key in answer)


def _seen(url: str, space: tuple[str, int]) -> set[int]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT id FROM match_docs(%s::real[]::vector, -1.0, 500)", ([1.0] * space[1],)
        ).fetchall()
    return {key for (key,) in found}
