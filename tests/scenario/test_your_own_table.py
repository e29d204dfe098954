"""docs/your-own-table.md, followed to the letter: one folder of declarations is a migration, proven end to end."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from typer.testing import CliRunner

import assets
from billio_pipeline import definitions
from billio_pipeline.cli import app
from billio_pipeline.cli.systems import systems
from billio_pipeline.settings import CHECKOUT, Settings
from billio_pipeline.stores.dynamodb import dynamodb_client

PAGE = (CHECKOUT / "docs" / "your-own-table.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^## [^\n]*`(\w+\.py)`\n\n```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
SOURCE = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]
LINES = sum(text.count("\n") for text in FILES.values())
ROWS = """
INSERT INTO customers VALUES
    (1, 'Ada@Example.com', 'Ada', '+44 1'), (2, 'bo@example.com', '', NULL);
INSERT INTO orders VALUES
    (10, 1, 'open', 1250, '2025-01-15T10:00:00Z', NULL), (11, 1, 'open', 0, '2025-01-15T10:00:00Z', ''),
    (12, 2, 'paid', -5, '2025-01-16 00:00:00.000001+09', '# to: you'), (13, 2, 'open', 7, 'infinity', NULL);
"""
ADA, FIRST, SECOND = (
    "CUSTOMER#ada@example.com",
    "ORDER#2025-01-15T10:00:00.000000Z#10",
    "ORDER#2025-01-15T10:00:00.000000Z#11",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files beside the other systems' folders, and gone again afterwards."""
    made = tmp_path / "assets" / "shop"
    made.mkdir(parents=True)
    (made / "__init__.py").touch()
    for name, text in FILES.items():
        (made / name).write_text(text, encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(assets, "__path__", [*assets.__path__, str(made.parent)])
        importlib.reload(definitions)
        yield made
    for name in [name for name in sys.modules if name.startswith("assets.shop")]:
        del sys.modules[name]
    del assets.shop  # type: ignore[attr-defined]
    importlib.reload(definitions)


@pytest.fixture
def shop(postgres_database: str, ministack: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the target, the source filled and everything named by the environment."""
    with psycopg.connect(postgres_database) as connection:
        connection.execute((SOURCE + ROWS).encode())
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    monkeypatch.setenv("BILLIO_SHOP_DSN", postgres_database)
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", ministack)
    client = dynamodb_client(Settings.from_env())
    yield client
    if "shop" in client.list_tables()["TableNames"]:
        client.delete_table(TableName="shop")


def billio(*arguments: str) -> tuple[int, dict[str, Any]]:
    answer = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    return answer.exit_code, json.loads(answer.stdout)


def test_the_page_says_how_long_the_folder_is_and_it_is_short() -> None:
    assert set(FILES) == {"model.py", "assets.py", "checks.py"}
    assert f"**{LINES} lines in three files**" in PAGE
    assert LINES <= 70


def test_a_folder_is_all_that_the_command_line_and_dagster_need(folder: Path) -> None:
    assert list(systems()) == sorted(systems())
    assert "shop" in systems()
    graph = definitions.defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys() if key.path[0] == "shop"}
    assert keys == {
        "shop/snapshot/customers", "shop/snapshot/orders", "shop/items/Customer", "shop/items/Order", "shop/quarantine",
        "shop/schema", "shop/loaded/shop",
    }  # fmt: skip
    checked = {key.name for key in graph.asset_check_keys if key.asset_key == dg.AssetKey(["shop", "loaded", "shop"])}
    assert {"count", "keys", "rows_equal", "gsi_members"} <= checked
    jobs = {job.name for job in definitions.defs.get_repository_def().get_all_jobs()}
    assert {"migrate_shop", "verify_shop", "migrate_billio"} <= jobs


def test_the_shop_is_migrated_proven_and_watched(folder: Path, shop: Any) -> None:
    code, plan = billio("plan", "shop")
    assert (code, plan["problems"], plan["running"]) == (1, ["1 of 6 rows would be quarantined"], None)
    assert [(each["definition"]["TableName"], each["create"]) for each in plan["tables"]] == [("shop", True)]
    assert plan["tables"][0]["places"]["OpenOrders"]["items"] == 2
    assert shop.list_tables()["TableNames"].count("shop") == 0

    code, answer = billio("migrate", "shop")
    assert code == 1
    assert answer["quarantine"]["reasons"] == {"time_out_of_range": 1}
    assert [each["check"] for each in answer["checks"] if not each["passed"]] == ["quarantine_empty"]
    assert {name: each["loaded"] for name, each in answer["entities"].items()} == {"Customer": 2, "Order": 3}

    held = {(item["PK"]["S"], item["SK"]["S"]): item for item in shop.scan(TableName="shop")["Items"]}
    assert held[ADA, "PROFILE"]["Email"] == {"S": "Ada@Example.com"}
    assert "Phone" not in held["CUSTOMER#bo@example.com", "PROFILE"]
    assert held[ADA, SECOND]["GiftNote"] == {"S": ""}
    assert held["CUSTOMER#bo@example.com", "ORDER#2025-01-15T15:00:00.000001Z#12"]["Cents"] == {"N": "-5"}
    opened = shop.scan(TableName="shop", IndexName="OpenOrders")["Items"]
    assert {item["OrderId"]["S"] for item in opened} == {"10", "11"}

    assert billio("diff", "shop")[0] == 0
    expiry = {"Enabled": True, "AttributeName": "Gone"}
    shop.update_time_to_live(TableName="shop", TimeToLiveSpecification=expiry)
    plan = billio("plan", "shop")[1]
    assert (plan["tables"][0]["create"], [each["kind"] for each in plan["drift"]]) == (False, ["ttl"])
    shop.put_item(TableName="shop", Item=held[ADA, FIRST] | {"Cents": {"N": "1251"}})
    code, answer = billio("diff", "shop")
    assert code == 1
    assert answer["found"] == 1
    difference = answer["differences"][0]
    assert difference["entity"] == "Order"
    assert (difference["source"], difference["target"]) == ('{"N":"1250"}', '{"N":"1251"}')
    assert difference["column"] == "Cents"
