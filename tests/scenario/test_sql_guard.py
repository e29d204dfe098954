"""DSQL mode refuses what Aurora DSQL refuses, to any client, and leaves everything else alone."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from billio_pipeline.stores.sql.dsql_mode import install_guard

TABLE = "CREATE TABLE items (id uuid PRIMARY KEY, type varchar(50) NOT NULL, title text, data jsonb DEFAULT '{}')"
ROWS = "INSERT INTO items SELECT gen_random_uuid(), 'Book', {title} FROM generate_series(1, {count})"
Connection = psycopg.Connection


@pytest.fixture
def plain(dsql_database: str) -> Iterator[Connection]:
    """An ordinary client, as psql is one, of a database in DSQL mode."""
    with psycopg.connect(dsql_database, autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


def rows(count: int, title: str = "'t'") -> str:
    return ROWS.format(count=count, title=title)


def together(connection: Connection, *statements: str) -> None:
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())


REFUSED_DDL = {
    "CREATE INDEX i ON items (title)": "CREATE INDEX ASYNC",
    "CREATE INDEX /* dsql:async */ i ON items (title DESC)": "sort order",
    "CREATE INDEX /* dsql:async */ i ON items (title ASC)": "sort order",
    "CREATE INDEX /* dsql:async */ i ON items (data)": "jsonb is not supported in a key",
    "CREATE INDEX /* dsql:async */ i ON items ((data -> 'a'))": "jsonb is not supported in a key",
    "CREATE INDEX /* dsql:async */ i ON items USING gin (data)": "gin",
    "CREATE INDEX CONCURRENTLY /* dsql:async */ i ON items (title)": "CONCURRENTLY",
    "CREATE TABLE t (data jsonb PRIMARY KEY)": "jsonb is not supported in a key",
    "CREATE TEMP TABLE t (i int)": "TEMP",
    "CREATE TEMP VIEW v AS SELECT 1": "TEMP",
    "CREATE UNLOGGED TABLE t (i int)": "UNLOGGED",
    "CREATE TABLE t (i int) PARTITION BY RANGE (i)": "PARTITION",
    "CREATE TABLE t (i int) INHERITS (items)": "INHERITS",
    "CREATE TABLE t (tags text[])": r"text\[\] not supported",
    "CREATE TABLE t AS SELECT 1 AS one": "CREATE TABLE AS",
    "SELECT 1 AS one INTO t": "SELECT INTO",
    "CREATE TYPE mood AS ENUM ('a')": "CREATE TYPE",
    "CREATE MATERIALIZED VIEW m AS SELECT 1": "MATERIALIZED VIEW",
    "CREATE TRIGGER t AFTER INSERT ON items EXECUTE FUNCTION dsql_guard.after_write()": "CREATE TRIGGER",
    "CREATE EXTENSION pg_trgm": "CREATE EXTENSION",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'": "language sql",
    "CREATE RULE r AS ON DELETE TO items DO INSTEAD NOTHING": "CREATE RULE",
    "REINDEX TABLE items": "REINDEX",
    "TRUNCATE items": "Truncate",
    "ALTER TABLE items ADD CONSTRAINT c CHECK (title <> '')": "NOT VALID",
    "ALTER TABLE items ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES items (id)": "NOT VALID",
    "ALTER TABLE items ADD COLUMN other uuid REFERENCES items (id)": "NOT VALID",
    "ALTER TABLE items ADD COLUMN tags text[]": "not supported",
}


@pytest.mark.parametrize("statement", REFUSED_DDL, ids=lambda text: text[:48])
def test_a_definition_dsql_lacks_is_refused(plain: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=REFUSED_DDL[statement]):
        plain.execute(statement.encode())


def test_serial_is_an_unknown_type(plain: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedObject, match="serial"):
        plain.execute("CREATE TABLE t (i serial)")


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TABLE a (i int)", "CREATE TABLE b (i int)"),
        ("CREATE TABLE a (i int)", "INSERT INTO items VALUES (gen_random_uuid(), 'Book')"),
        ("INSERT INTO items VALUES (gen_random_uuid(), 'Book')", "CREATE TABLE a (i int)"),
    ],
    ids=["two definitions", "rows after a definition", "a definition after rows"],
)
def test_a_definition_shares_its_transaction_with_nothing(plain: Connection, statements: tuple[str, str]) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="ddl"):
        together(plain, *statements)


def test_3000_rows_in_a_transaction_are_taken_and_one_more_is_not(plain: Connection) -> None:
    together(plain, rows(1500), rows(1500))
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="row limit"):
        together(plain, rows(2999), "UPDATE items SET title = 'u' WHERE id IN (SELECT id FROM items LIMIT 2)")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="row limit"):
        together(plain, "DELETE FROM items", rows(1))
    assert plain.execute("SELECT count(*) FROM items WHERE title = 't'").fetchone() == (3000,)


def test_copied_rows_count_too(plain: Connection) -> None:
    def copy(count: int) -> None:
        with plain.cursor() as cursor, cursor.copy("COPY items (id, type) FROM STDIN") as stream:
            for number in range(count):
                stream.write_row([f"{number:032x}", "Book"])

    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="row limit"):
        copy(3001)
    copy(3000)


def test_10_mib_with_index_entries_is_the_most_a_commit_takes(plain: Connection) -> None:
    wide = rows(2500, "repeat('x', 2500)")  # 6.3 MB of rows
    plain.execute(wide.encode())
    plain.execute("CREATE INDEX /* dsql:async */ ON items (id) INCLUDE (title)")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="size limit"):
        plain.execute(wide.encode())
    # An index that holds none of the rows costs nothing.
    plain.execute("DROP INDEX items_id_title_idx")
    plain.execute("CREATE INDEX /* dsql:async */ ON items (id) INCLUDE (title) WHERE type = 'Feature'")
    plain.execute(wide.encode())


def test_an_old_transaction_is_refused(plain: Connection) -> None:
    plain.execute("SET dsql.max_age = '0 s'")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="age"):
        plain.execute(rows(1).encode())


@pytest.mark.parametrize("forged", ["{1,2999,0,1}", "nonsense", "{,,,}", "9" * 30])
def test_bookkeeping_set_by_hand_or_left_over_is_not_believed(plain: Connection, forged: str) -> None:
    plain.execute("SELECT set_config('dsql.tally', %s, false)", [forged])
    plain.execute(rows(3000).encode())
    plain.execute("CREATE TABLE t (i int)")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        plain.execute(rows(3001).encode())


@pytest.mark.parametrize("isolation", list(psycopg.IsolationLevel))
def test_conflicts_come_at_the_chosen_pace_at_commit(plain: Connection, isolation: psycopg.IsolationLevel) -> None:
    plain.execute("SET dsql.occ_every = 4")
    plain.isolation_level = isolation
    conflicts: list[str] = []
    written = 0
    for _ in range(20):
        try:
            with plain.transaction():
                plain.execute(rows(2).encode())
                plain.execute(rows(2).encode())
                written += 1
        except psycopg.errors.SerializationFailure as error:
            conflicts.append(str(error))
    assert written == 20, "raised before COMMIT"
    assert ["OC000" in told for told in conflicts] == [True] * 5
    assert plain.execute("SELECT count(*) FROM items").fetchone() == (15 * 4,)


def test_reading_never_conflicts(plain: Connection) -> None:
    plain.execute("SET dsql.occ_rate = 1")
    plain.execute("SELECT * FROM items")
    plain.execute("UPDATE items SET title = 'none there'")
    with pytest.raises(psycopg.errors.SerializationFailure):
        plain.execute(rows(1).encode())


def test_what_a_person_does_with_psql_works(plain: Connection) -> None:
    for statement in (
        rows(10),
        "UPDATE items SET title = 'by hand' WHERE id = (SELECT id FROM items LIMIT 1)",
        "DELETE FROM items WHERE title = 'by hand'",
        "CREATE INDEX /* dsql:async */ by_asc ON items (title NULLS FIRST) WHERE type <> 'asc'",
        "ALTER TABLE items ADD COLUMN parent uuid",
        "ALTER TABLE items ADD CONSTRAINT fk FOREIGN KEY (parent) REFERENCES items (id) NOT VALID",
        "ALTER TABLE items ADD CONSTRAINT named CHECK (title <> '') NOT VALID",
        "ALTER TABLE items RENAME CONSTRAINT named TO renamed",
        "ALTER TABLE /* dsql:async */ items VALIDATE CONSTRAINT renamed",
        "ALTER TABLE items ALTER COLUMN title TYPE varchar(400)",
        "ALTER TABLE items DROP COLUMN parent",
        "DROP INDEX by_asc",
        "CREATE VIEW books AS SELECT * FROM items WHERE type = 'Book'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA other",
        "CREATE TABLE other.t (i int)",
        "INSERT INTO other.t VALUES (1)",
        "GRANT SELECT ON items TO PUBLIC",
        "DROP TABLE other.t",
    ):
        plain.execute(statement.encode())
    assert plain.execute("SELECT count(*) FROM books").fetchone() == (9,)
    # Only the connection class may validate on the spot; a plain client marks the statement.
    plain.execute("ALTER TABLE items ADD CONSTRAINT other CHECK (title <> 'x') NOT VALID")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="ALTER TABLE ASYNC"):
        plain.execute("ALTER TABLE items VALIDATE CONSTRAINT other")


def test_installing_again_changes_nothing_and_takes_in_tables_that_were_there(
    postgres_database: str, postgres_server
) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as plain:
        plain.execute(TABLE)
        with psycopg.connect(postgres_server.admin_dsn(postgres_database), autocommit=True) as admin:
            install_guard(admin)
            install_guard(admin)
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            plain.execute(rows(3001).encode())
        plain.execute(rows(3000).encode())
