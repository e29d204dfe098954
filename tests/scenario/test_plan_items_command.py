"""`billio plan` of a migration into DynamoDB says what migrating would do, and touches neither source nor target."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from assets.algoitny.generator import generate, poisoned
from assets.algoitny.model import SYSTEM
from assets.algoitny.source import load_source
from assets.thrivecalc.generator import write
from billio_pipeline.cli import app
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client
from billio_pipeline.stores.objects import open_store


def billio(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def told(result: Result) -> dict[str, Any]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    return settings.home


@pytest.fixture
def source(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """AlgoItny's database, with rows that DynamoDB must refuse."""
    load_source(postgres_database, generate(20, poison=True))
    monkeypatch.setenv("BILLIO_ALGOITNY_DSN", postgres_database)
    return postgres_database


def test_x(source: str) -> None:
    print(billio("algoitny", "--dau", 10000, "--wcu", 100).stdout)
    assert 0
