"""`billio restore algoitny`: the source comes back, exactly, or the command says what of it doesn't."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import servers
import typer
from algoitny_places import Migrated, migrated
from typer.testing import CliRunner

from assets.algoitny import model
from assets.algoitny.generator import POISON_ID, generate, poisoned
from assets.algoitny.restore import restore
from assets.algoitny.source import TABLES, load_source
from billio_pipeline.cli.restore import restore as command
from billio_pipeline.errors import ConfigurationError, InputError, TargetError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects.local import LocalStore
from billio_pipeline.stores.sql.target import Target

app = typer.Typer()
app.command()(command)


@pytest.fixture(scope="module")
def source(
    postgres_server: servers.TestPostgres, ministack: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Migrated]:
    """Six users' rows, some expired, and what DynamoDB refuses: migrated and archived. Nobody writes to it."""
    home = tmp_path_factory.mktemp("home")
    name = postgres_server.create("template_plain")
    settings = Settings.from_env({"BILLIO_HOME": str(home), "BILLIO_WORKERS": "1"})
    rows = generate(6, as_of=datetime.now(UTC), poison=True)
    yield migrated(postgres_server.dsn(name), rows, settings, ministack, home / "archive")
    postgres_server.drop(name)


@pytest.fixture
def target(postgres_database: str, settings: Settings) -> Iterator[Target]:
    with Target.open(postgres_database, settings) as opened:
        yield opened


def ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def test_the_archive_alone_gives_the_source_back_to_the_last_bit(
    source: Migrated, target: Target, postgres_database: str, tmp_path: Path
) -> None:
    done = restore(target, source.archive, tmp_path)
    assert done.equal
    assert {table: each.found for table, each in done.compared.items()} == done.rows
    assert set(done.rows) == set(TABLES)
    assert ask(postgres_database, "SELECT id FROM users WHERE last_login = 'infinity'") == [(POISON_ID + 2,)]
    keys = ask(postgres_database, "SELECT count(*), bool_and(convalidated) FROM pg_constraint WHERE contype = 'f'")
    assert keys == [(6, True)]
    insert = "INSERT INTO test_cases (problem_id, input, output, created_at) VALUES (1, '', '', now()) RETURNING id"
    assert ask(postgres_database, insert) == [(POISON_ID + 3,)], "the next id is one behind the greatest"


def test_the_tables_give_back_all_that_was_loaded_and_the_archive_what_was_not(
    source: Migrated, target: Target, tmp_path: Path
) -> None:
    done = restore(target, source.archive, tmp_path, source.client, system=source.system)
    refused: dict[str, list[int]] = {}
    for each in poisoned(6):
        if each.refused:
            refused.setdefault(each.table, []).append(each.row["id"])
    assert {table: found.missing_keys for table, found in done.compared.items() if found.missing} == refused
    assert all(not found.extra and not found.different for found in done.compared.values())
    assert done.compared["usage_logs"].equal
    assert done.back is not None
    assert done.back.rows["UsageLog"] < done.rows["usage_logs"], "expired logs are in the archive alone"
    assert done.rows["task_results"] == len(generate(6)["task_results"])
    assert (done.equal, done.back.refused, done.invalid) == (False, 0, [])


def test_what_changed_since_the_migration_is_named_and_kept(
    postgres_server: servers.TestPostgres,
    ministack: str,
    target: Target,
    postgres_database: str,
    settings: Settings,
    tmp_path: Path,
) -> None:
    other = postgres_server.create("template_plain")
    small = migrated(postgres_server.dsn(other), generate(1, as_of=datetime.now(UTC)), settings, ministack, tmp_path)
    scan = small.client.scan(TableName=small.table("main").name)["Items"]
    case = next(item for item in scan if item["EntityType"]["S"] == "TestCase")
    problem = next(item for item in scan if item.get("InternalId") == case["ProblemInternalId"])
    job = next(item for item in scan if item["EntityType"]["S"] == "ScriptGenerationJob")
    small.client.delete_item(TableName=small.table("main").name, Key={"PK": problem["PK"], "SK": problem["SK"]})
    small.put("main", job | {"Status": {"S": "RENAMED"}})
    small.put("main", case | {"SK": {"S": "TESTCASE#new"}, "TestCaseId": {"S": "777"}})
    small.put("main", {"PK": {"S": "X"}, "SK": {"S": "X"}, "EntityType": {"S": "Unknown"}})
    small.put("main", {"PK": {"S": "JOB#bad"}, "SK": {"S": "METADATA"}, "EntityType": {"S": "ScriptGenerationJob"}})
    counter = {"SK": {"S": "VALUE"}, "EntityType": {"S": "Counter"}, "Count": {"N": "5000"}}
    small.put("main", {"PK": {"S": "COUNTER#jobs"}, **counter})
    done = restore(target, small.archive, tmp_path / "work", small.client, system=small.system)
    assert not done.equal
    assert done.compared["problems"].missing_keys == [int(problem["InternalId"]["S"])]
    assert done.compared["test_cases"].extra_keys == [777]
    assert done.compared["script_generation_jobs"].differences == [
        {"key": int(job["JobId"]["S"]), "columns": ["status"]}
    ]
    assert done.back is not None
    assert (done.back.refused, done.back.added) == (2, 1)
    assert any("of no kind" in each for each in done.back.examples)
    assert "test_cases.test_cases_problem_id_fkey" in " ".join(done.invalid)
    assert ask(postgres_database, "SELECT status FROM script_generation_jobs WHERE status = 'RENAMED'")
    assert ask(postgres_database, "SELECT nextval(pg_get_serial_sequence('script_generation_jobs', 'id'))") == [(5001,)]


def test_a_database_with_rows_is_left_as_it_is(source: Migrated, postgres_database: str, tmp_path: Path) -> None:
    load_source(postgres_database, {"task_results": generate(1)["task_results"][:1]})
    before = ask(postgres_database, "SELECT xmin::text, * FROM task_results")
    with Target.open(postgres_database, source.settings) as target, pytest.raises(ConfigurationError, match="rows"):
        restore(target, source.archive, tmp_path)
    assert ask(postgres_database, "SELECT xmin::text, * FROM task_results") == before
    assert not list(tmp_path.iterdir()), "nothing was read either"


def test_django_s_own_empty_tables_are_filled_and_half_of_them_refused(
    source: Migrated, target: Target, postgres_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE users (id bigint PRIMARY KEY)")
        with pytest.raises(ConfigurationError, match="lacks"):
            restore(target, source.archive, tmp_path)
        connection.execute("DROP TABLE users")
    load_source(postgres_database, {})
    assert restore(target, source.archive, tmp_path).equal


def test_a_row_the_database_refuses_is_named_and_nothing_is_left(
    source: Migrated, target: Target, postgres_database: str, tmp_path: Path
) -> None:
    load_source(postgres_database, {})
    with psycopg.connect(postgres_database) as connection:
        connection.execute("ALTER TABLE users ADD CONSTRAINT small CHECK (id < 3)")
    with pytest.raises(TargetError, match="table users can't hold the rows") as refused:
        restore(target, source.archive, tmp_path)
    assert refused.value.details["key"] == 3
    assert ask(postgres_database, "SELECT count(*) FROM subscription_plans") == [(0,)]


def test_a_changed_archive_is_not_taken_for_the_source(source: Migrated, target: Target, tmp_path: Path) -> None:
    damaged = LocalStore(tmp_path / "archive")
    shutil.copytree(source.archive.root, damaged.root)
    (file,) = damaged.root.glob("source/*/script_generation_jobs/*.parquet")
    rows = pq.read_table(file).to_pylist()
    rows[0]["title"] += "!"
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(file)), file)
    with pytest.raises(InputError, match="script_generation_jobs are not those that were archived"):
        restore(target, damaged, tmp_path / "work")


def test_an_archive_without_a_snapshot_or_a_file_is_refused(source: Migrated, target: Target, tmp_path: Path) -> None:
    empty = LocalStore(tmp_path / "archive")
    empty.write("source/unfinished/users/000000.parquet", b"")
    with pytest.raises(InputError, match="no complete snapshot"):
        restore(target, empty, tmp_path / "one")
    shutil.copytree(source.archive.root, empty.root, dirs_exist_ok=True)
    next(empty.root.glob("source/*/problems/*.parquet")).unlink()
    with pytest.raises(InputError, match="lacks problems"):
        restore(target, empty, tmp_path / "two")


def test_the_command_says_per_table_what_it_restored(
    source: Migrated, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "SYSTEM", source.system)
    arguments = ["algoitny", "--to", postgres_database, "--from", "archive", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--archive", str(source.archive.root)])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["equal"]) == (0, True)
    assert said["tables"]["users"]["restored"] == said["tables"]["users"]["rows"] == 6 + 3
    again = CliRunner().invoke(app, [*arguments, "--archive", str(source.archive.root)])
    assert (again.exit_code, json.loads(again.stdout)["error"]["code"]) == (2, "bad_configuration")
