"""`billio migrate` and `verify` of systems that go into DynamoDB: exit codes, JSON, and what the tables then hold."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.algoitny.generator import generate, poisoned
from assets.algoitny.model import SYSTEM as ALGOITNY
from assets.algoitny.model import USERS
from assets.algoitny.source import load_source
from assets.thrivecalc.model import USER_DATA
from billio_pipeline.cli import app
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client

pytestmark = pytest.mark.slow  # several Dagster runs
TREE = Path(__file__).parent.parent / "fixtures" / "thrive_s3"
COUNTS = ("source", "loaded", "quarantined", "excluded", "missing", "extra", "different")


@dataclass
class Billio:
    """The command line, in a region of its own: there its tables have their own names and meet no other test's."""

    client: Any

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        answer = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        return answer.exit_code, json.loads(answer.stdout)

    def tables(self) -> list[str]:
        return self.client.list_tables()["TableNames"]

    def items(self, table: str) -> list[dict[str, Any]]:
        return self.client.scan(TableName=table, ConsistentRead=True)["Items"]


@pytest.fixture
def billio(ministack: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Billio:
    values = {
        "BILLIO_HOME": str(settings.home),
        "DAGSTER_HOME": str(settings.dagster_home),
        "BILLIO_DYNAMODB_ENDPOINT": ministack,
        "AWS_REGION": f"test-{secrets.token_hex(4)}-1",
        "BILLIO_WORKERS": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Billio(dynamodb_client(Settings.from_env()))


def totals(answer: dict[str, Any]) -> dict[str, int]:
    return {name: sum(counts[name] for counts in answer["entities"].values()) for name in COUNTS}


def failed(answer: dict[str, Any], severity: str = "ERROR") -> set[str]:
    return {each["check"] for each in answer["checks"] if not each["passed"] and each["severity"] == severity}


def test_every_record_of_the_fixture_arrives_and_the_answer_says_so(billio: Billio) -> None:
    code, answer = billio("migrate", "thrivecalc", "--export", str(TREE))
    assert (code, failed(answer), failed(answer, "WARN") - {"orphans"}) == (0, set(), set())
    assert answer["system"] == "thrivecalc"
    assert answer["entities"] == {"record": dict.fromkeys(COUNTS, 0) | {"source": 6, "loaded": 6}}
    assert answer["export"]["path"].endswith(f"{TREE}/users")
    assert (answer["export"]["items"], answer["export"]["files"]) == (6, 1)
    assert answer["export"]["bytes"] == sum(path.stat().st_size for path in TREE.rglob("*.json"))
    assert answer["quarantine"]["reasons"] == {}
    assert Path(answer["quarantine"]["path"]).exists()
    assert answer["differences"] == []
    assert Path(answer["differences_path"]).exists()
    assert Path(answer["report"]).exists()
    assert {"asset", "check", "passed", "severity", "metadata"} <= answer["checks"][0].keys()
    assert all(isinstance(seconds, float | int) for seconds in answer["seconds"].values())
    assert len(billio.items(USER_DATA.name)) == 6


def test_poison_makes_the_exit_code_one_and_a_changed_item_is_named(
    billio: Billio, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    rows = load_source(postgres_database, generate(1, as_of=now, poison=True))
    monkeypatch.setenv("BILLIO_ALGOITNY_DSN", postgres_database)
    bad = [each for each in poisoned(1, as_of=now) if each.refused]

    code, answer = billio("migrate", "algoitny")
    assert (code, failed(answer)) == (1, set())
    assert failed(answer, "WARN") <= {"quarantine_empty", "item_sizes"}
    assert {"quarantine_empty"} <= failed(answer, "WARN")
    assert answer["quarantine"]["reasons"] == {"over_dynamodb_limit": 5, "key_conflict": 2, "time_out_of_range": 1}
    found = totals(answer)
    assert found["source"] == sum(rows.values()) - rows["task_results"]
    assert found["quarantined"] == len(bad)
    assert found["source"] == found["loaded"] + found["quarantined"] + found["excluded"]
    assert (found["missing"], found["extra"], found["different"]) == (0, 0, 0)
    assert set(billio.tables()) >= {table.name for table in ALGOITNY.tables}

    (item,) = [each for each in billio.items(USERS.name) if each["EntityType"] == {"S": "User"}]
    billio.client.put_item(TableName=USERS.name, Item=item | {"Name": {"S": "somebody else"}})
    code, answer = billio("verify", "algoitny")
    assert (code, failed(answer)) == (1, {"rows_equal", "parity"})
    assert answer["differences"] == [
        {"entity": "User", "key": f"{item['PK']['S']} / METADATA", "column": "Name", "source": item["Name"]["S"],
         "target": "somebody else"}
    ]  # fmt: skip
    assert answer["entities"]["User"]["different"] == 1

    billio.client.put_item(TableName=USERS.name, Item=item)
    code, again = billio("migrate", "algoitny", "--allow-quarantine")
    assert (code, failed(again)) == (0, set())
    assert totals(again) == found


REFUSED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], list[str], str]] = {
    "a database that is not there": (
        lambda env: env.setenv("BILLIO_ALGOITNY_DSN", "postgresql://nobody:hidden@127.0.0.1:1/none"),
        ["migrate", "algoitny"], "127.0.0.1",
    ),
    "a database for a target": (
        lambda env: env.setenv("BILLIO_ALGOITNY_DSN", "postgresql://nobody:hidden@127.0.0.1:1/none"),
        ["migrate", "algoitny", "--target", "postgresql://nobody:hidden@127.0.0.1:1/none"], "into DynamoDB",
    ),
    "files where a database is the source": (
        lambda env: env.setenv("BILLIO_ALGOITNY_DSN", "postgresql://nobody:hidden@127.0.0.1:1/none"),
        ["migrate", "algoitny", "--export", str(TREE)], "from its database",
    ),
    "no source at all": (lambda env: None, ["migrate", "thrivecalc"], "no records are named"),
    "a tree that is not there": (
        lambda env: None, ["migrate", "thrivecalc", "--export", "/nonexistent/tree"], "/nonexistent",
    ),
    "a target that does not answer": (
        lambda env: None,
        ["migrate", "thrivecalc", "--export", str(TREE), "--target", "http://127.0.0.1:1"], "127.0.0.1:1",
    ),
    "tables to verify that are not there": (
        lambda env: None, ["verify", "thrivecalc", "--export", str(TREE)], "there is no table thrivecalc-user-data",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("prepare", "arguments", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_exit_two_with_a_remedy_and_no_table(
    billio: Billio,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[pytest.MonkeyPatch], None],
    arguments: list[str],
    says: str,
) -> None:
    prepare(monkeypatch)
    code, answer = billio(*arguments)
    assert code == 2, answer
    assert says in answer["error"]["message"]
    assert answer["error"]["remedy"]
    assert "hidden" not in json.dumps(answer)
    assert billio.tables() == []
