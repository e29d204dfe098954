"""`billio plan --new` proposes a model that runs as written: it loads, refuses nothing and rebuilds every item."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import wire
from click.testing import Result
from exports import write_export
from typer.testing import CliRunner

from assets.billio.generator import generate
from billio_pipeline.cli import app
from billio_pipeline.errors import BillioError
from billio_pipeline.migrate.batch import batches
from billio_pipeline.migrate.load import Loader
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.model.entity import System
from billio_pipeline.plan.propose import Proposal, load, propose
from billio_pipeline.settings import CHECKOUT, Settings
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.target import Target

FIXTURES = [line for line in (CHECKOUT / "tests/fixtures/billio.ddb-export.jsonl").read_bytes().split(b"\n") if line]
Item = dict[str, dict[str, Any]]


def shop(count: int = 400, seed: int = 11) -> Iterator[Item]:
    """A table unlike Billio's: a sort key, ids that are no uuids, prices with fractions, sets, names oddly spelt."""
    draw = random.Random(seed)
    for number in range(count):
        customer, order = f"C{number % 40:05}", f"ord_{number:08x}"
        when = f"2025-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}T08:00:00.000Z"
        yield {
            "pk": {"S": f"CUSTOMER#{customer}"},
            "sk": {"S": f"ORDER#{when}#{order}"},
            "entityType": {"S": "order"},
            "customer": {"S": customer},
            "orderId": {"S": order},
            "placedAt": {"S": when},
            "total": {"N": str(draw.choice([19.99, 5, 0.1, 1234567890.12]))},
            "units": {"N": str(draw.randrange(1, 9))},
            "seenAt": {"N": str(1_700_000_000_000 + number)},
            "tags": {"SS": ["a", "b"]},
            "address": {"M": {"city": {"S": "Łódź"}, "zip": {"S": f"{number:05}"}, "geo": {"L": [{"N": "1.5"}]}}},
            "Odd Name!": {"S": "x"},
            "_line": {"S": "a column of ours is called so"},
            "select": {"S": "a word of SQL"},
            "dotted.name": {"S": "{braces}"},
        } | ({"note": {"NULL": True}} if number % 3 else {"note": {"S": "hi"}})
        if number % 4 == 0:
            yield {
                "pk": {"S": f"CUSTOMER#{customer}"},
                "sk": {"S": f"PAYMENT#{order}"},
                "entityType": {"S": "payment-card"},
                "orderId": {"S": f"pay_{number:08x}"},
                "units": {"S": "a text here, a number there"},
                "raw": {"B": "AAEC"},
            }


def exported(folder: Path, items: list[Item]) -> Path:
    lines = [wire.written(item) for item in items]
    return write_export(folder, [lines[0::2], lines[1::2]])


def proposed(export: Path, settings: Settings, *key: str, name: str = "shop") -> Proposal:
    return propose(name, str(export), settings, key=key)


def columns(system: System) -> dict[str, str]:
    return {column.name: column.sql for column in system.columns}


def filled(dsn: str, system: System, export: Path, settings: Settings) -> int:
    """Rows in the target once the system's tables were made, loaded and finished, as the product does it."""
    stage = prepare(open_source(str(export), system, settings), system, settings, "test")
    with Target.open(dsn, settings) as target:
        schema.up(target, system, phase="tables")
        for entity in system.entities:
            loader = Loader(target, system, entity.name, "insert")
            loader.run(batches(stage, entity.name, stage.summary["export"]["id"]), set(), loaders=2)
        assert all(result.ok for result in schema.up(target, system))
    with psycopg.connect(dsn) as connection:
        query = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(system.target.name))
        return connection.execute(query).fetchall()[0][0]


def test_billios_own_fixtures_give_billios_own_entities(tmp_path: Path, settings: Settings) -> None:
    made = proposed(write_export(tmp_path, [FIXTURES]), settings)
    system = load(made.text)
    assert set(system.by_name) == {"Book", "Feature", "TvSeason", "TvSeries", "VideoGame"}
    assert system.source.partition == ("type:id", "S")
    assert system.target.key == "id"
    assert columns(system)["id"] == "uuid"
    assert columns(system)["added_at"] == "timestamptz"
    derived = {each.attribute: each.template for each in system.entities[0].derived}
    assert derived == {"type:id": "{type}:{id}", "type:shelf": "{type}:{shelf}"}
    assert sum(made.entities.values()) == len(FIXTURES)


def test_generated_items_of_every_shape_are_all_taken(tmp_path: Path, settings: Settings, dsql_database: str) -> None:
    export = exported(tmp_path, list(generate(1_500, iso_times=True)))
    made = proposed(export, settings)
    assert sum(made.entities.values()) == 1_500
    assert filled(dsql_database, load(made.text), export, settings) == 1_500


def test_a_table_unlike_any_other_is_taken_too(tmp_path: Path, settings: Settings, dsql_database: str) -> None:
    items = list(shop())
    export = exported(tmp_path, items)
    made = proposed(export, settings)
    system = load(made.text)
    assert made.entities == {"Order": 400, "PaymentCard": 100}
    assert (system.source.partition, system.source.sort) == (("pk", "S"), ("sk", "S"))
    assert (system.target.key, columns(system)["order_id"]) == ("order_id", "text")
    order = system.by_name["Order"]
    assert {each.attribute: each.template for each in order.derived} == {
        "pk": "CUSTOMER#{customer}",
        "sk": "ORDER#{placedAt}#{orderId}",
    }
    assert {"placed_at": "timestamptz", "seen_at": "timestamptz", "units": "integer"}.items() <= columns(system).items()
    assert "total" not in columns(system)  # fractions fit no column: exact in the Rest
    assert {"address_city", "address_zip", "odd_name", "line", "select"} <= columns(system).keys()
    assert filled(dsql_database, system, export, settings) == len(items)


@pytest.mark.parametrize("fast", [True, False])
def test_both_decoding_paths_take_the_proposal(tmp_path: Path, settings: Settings, fast: bool) -> None:
    export = exported(tmp_path, list(shop(50)))
    assert sum(proposed(export, replace(settings, fast_path=fast)).entities.values()) == 63


def test_a_table_of_one_kind_needs_no_discriminator(tmp_path: Path, settings: Settings) -> None:
    items: list[Item] = [{"id": {"S": f"u{n}"}, "age": {"N": str(n)}} for n in range(100)]
    system = load(proposed(exported(tmp_path, items), settings, name="people").text)
    assert [(entity.name, entity.when) for entity in system.entities] == [("Item", {})]
    assert columns(system) == {"id": "text", "age": "integer", "data": "jsonb"}


def test_items_told_apart_only_by_two_attributes_are_refused_with_a_remedy(tmp_path: Path, settings: Settings) -> None:
    items: list[Item] = [{"PK": {"S": f"A{n % 5}"}, "SK": {"S": f"B{n // 5}"}, "n": {"N": "1"}} for n in range(200)]
    with pytest.raises(BillioError, match="PK and SK tell items apart only together") as error:
        proposed(exported(tmp_path, items), settings)
    assert error.value.exit_code == 2
    assert error.value.remedy


def test_a_key_that_is_none_is_refused(tmp_path: Path, settings: Settings) -> None:
    export = exported(tmp_path, list(shop(20)))
    for key in (("entityType",), ("absent",), ("entityType", "units")):
        with pytest.raises(BillioError) as error:
            proposed(export, settings, *key)
        assert error.value.exit_code == 2
    assert load(proposed(export, settings, "pk", "sk").text).source.sort == ("sk", "S")


def test_nothing_is_proposed_for_what_is_no_whole_export(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(BillioError, match="line 2"):
        proposed(write_export(tmp_path / "bad", [[*FIXTURES[:1], b'{"Item":{"a":{"N":"NaN"}}}']]), settings)
    with pytest.raises(BillioError, match="holds no items"):
        proposed(write_export(tmp_path / "empty", [[]]), settings)
    assert not list(settings.home.glob("plan/*"))


def billio(settings: Settings, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)], env={"BILLIO_HOME": str(settings.home)})


def test_the_model_is_printed_and_is_written_never_over_another(tmp_path: Path, settings: Settings) -> None:
    export = exported(tmp_path / "export", list(shop(30)))
    printed = billio(settings, "--new", "shop", "--export", export)
    assert printed.exit_code == 0
    assert load(printed.stdout).name == "shop"
    folder = tmp_path / "assets" / "shop"
    written = billio(settings, "--new", "shop", "--export", export, "--out", folder, "--json")
    assert written.exit_code == 0
    assert json.loads(written.stdout)["path"] == str(folder / "model.py")
    assert (folder / "model.py").read_text(encoding="utf-8") == printed.stdout
    again = billio(settings, "--new", "shop", "--export", export, "--out", folder, "--json")
    assert again.exit_code == 2
    assert (folder / "model.py").read_text(encoding="utf-8") == printed.stdout
    assert not list(settings.home.glob("plan/*"))


def test_the_model_is_written_as_this_projects_style_wants_it(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "model.py").write_text(proposed(exported(tmp_path, list(shop(30))), settings).text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check"], ["format", "--check"]):
        subprocess.run(
            [*ruff, *command, "--no-cache", "--config", str(CHECKOUT / "pyproject.toml"), str(tmp_path / "model.py")],
            check=True,
            capture_output=True,
        )
