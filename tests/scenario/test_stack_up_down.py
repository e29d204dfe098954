"""`Stack` and `billio stack`: up, down, status, env, and the addresses commands resolve to."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import psutil
import psycopg
import pytest
from servers import working_below
from typer.testing import CliRunner

from billio_pipeline.cli.stack import app
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.local.resolve import resolve_dynamodb, resolve_s3, resolve_target
from billio_pipeline.local.stack import Stack
from billio_pipeline.settings import Settings

UP = """
import sys
from billio_pipeline.local.stack import Stack
from billio_pipeline.settings import Settings
print(Stack(Settings.from_env()).up().postgres_dsn)
"""


def client(endpoint: str, service: str = "dynamodb"):
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)


def billio_stack(settings: Settings, *arguments: str) -> tuple[int, str]:
    env = {"BILLIO_HOME": str(settings.home), "DAGSTER_HOME": str(settings.dagster_home)}
    result = CliRunner().invoke(app, arguments, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def test_up_twice_is_one_stack_and_down_leaves_no_process(settings: Settings) -> None:
    stack = Stack(settings)
    first = stack.up()
    assert stack.up() == first
    assert {part.name: part.healthy for part in stack.status()} == {"postgres": True, "dynamodb": True}
    assert stat.S_IMODE(stack.state_file.stat().st_mode) == 0o600
    assert stack.down() is True
    assert working_below(settings.home) == []
    assert not any(psutil.pid_exists(pid) for pid in first.pids.values())
    assert stack.down() is False


def test_data_outlives_down_and_up(settings: Settings) -> None:
    stack = Stack(settings)
    state = stack.up()
    with psycopg.connect(state.postgres_dsn) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
    table = {"KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    attributes = [{"AttributeName": "k", "AttributeType": "S"}]
    client(state.dynamodb_endpoint).create_table(TableName="kept", AttributeDefinitions=attributes, **table)
    item = {"k": {"S": "ключ"}, "n": {"N": "12345678901234567890123456789012345678"}, "z": {"NULL": True}}
    client(state.dynamodb_endpoint).put_item(TableName="kept", Item=item)
    client(state.s3_endpoint, "s3").create_bucket(Bucket="kept")
    stack.down()
    again = stack.up()
    assert again.postgres_dsn == state.postgres_dsn, "an address given out stays good while its port is free"
    with psycopg.connect(again.postgres_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert client(again.dynamodb_endpoint).scan(TableName="kept", ConsistentRead=True)["Items"] == [item]
    assert [b["Name"] for b in client(again.s3_endpoint, "s3").list_buckets()["Buckets"]] == ["kept"]


def test_several_processes_starting_it_at_once_get_one_stack(settings: Settings) -> None:
    env = os.environ | {"BILLIO_HOME": str(settings.home)}

    def start(_: int) -> str:
        done = subprocess.run([sys.executable, "-c", UP], env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(4)))) == 1
    postmasters = [
        p for p in working_below(settings.home) if p.name() == "postgres" and p.ppid() not in _pids(settings)
    ]
    assert len(postmasters) == 1
    assert all(part.healthy for part in Stack(settings).status()), "it outlives the process that started it"


def _pids(settings: Settings) -> set[int]:
    return {process.pid for process in working_below(settings.home)}


def test_servers_listen_on_this_machine_only(settings: Settings) -> None:
    state = Stack(settings).up()
    for process in working_below(settings.home):
        for connection in process.net_connections(kind="all"):
            assert connection.status != psutil.CONN_LISTEN or connection.laddr.ip == "127.0.0.1"
            assert connection.family.name != "AF_UNIX" or not connection.laddr
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(state.postgres_dsn.replace("@", "x@")).close()


def test_the_commands_say_what_runs_and_how_to_reach_it(settings: Settings) -> None:
    assert billio_stack(settings, "status")[0] == 1
    assert billio_stack(settings, "env")[0] == 2
    assert billio_stack(settings, "down")[0] == 0
    code, out = billio_stack(settings, "up", "--json")
    assert (code, json.loads(out)["healthy"]) == (0, True)
    code, out = billio_stack(settings, "status", "--json")
    assert (code, json.loads(out)["healthy"]) == (0, True)
    code, out = billio_stack(settings, "env", "--json")
    values = json.loads(out)
    assert code == 0
    assert all(isinstance(value, str) for value in values.values())
    shell = f"{billio_stack(settings, 'env')[1]}\nenv -0"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    seen = dict(line.partition("=")[::2] for line in done.stdout.split("\0"))
    assert {name: seen.get(name) for name in values} == values
    with psycopg.connect(values["BILLIO_POSTGRES_DSN"]) as connection:
        assert connection.execute("SELECT current_database(), current_schema()").fetchone() == ("billio", "public")
    assert billio_stack(settings, "down", "--json")[0] == 0
    assert billio_stack(settings, "status", "--json")[0] == 1


def test_exported_addresses_still_mean_this_stack(settings: Settings) -> None:
    """After eval "$(billio stack env)" the commands must not take the stack for somebody else's server."""
    state = Stack(settings).up()
    exported = replace(settings, target=state.postgres_dsn, dynamodb_endpoint=state.dynamodb_endpoint)
    exported = replace(exported, s3_endpoint=state.s3_endpoint)
    assert [part.pid for part in Stack(exported).status()] == [state.pids["postgres"], state.pids["dynamodb"]]
    assert Stack(exported).down() is True
    assert working_below(settings.home) == []
    assert resolve_target(exported) == state.postgres_dsn, "the stack is started again for it"


def test_an_address_is_the_named_then_the_configured_then_the_embedded_one(settings: Settings) -> None:
    elsewhere = replace(
        settings,
        target="postgresql://db.example/x",
        dynamodb_endpoint="http://127.0.0.1:1",
        s3_endpoint="http://127.0.0.1:2",
    )
    assert resolve_target(elsewhere, "postgresql://named/x") == "postgresql://named/x"
    assert resolve_target(elsewhere) == "postgresql://db.example/x"
    assert (resolve_dynamodb(elsewhere), resolve_s3(elsewhere)) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
    assert working_below(settings.home) == [], "nothing is started for addresses that are given"
    embedded = resolve_target(settings)
    assert Stack(settings).up().postgres_dsn == embedded
    assert resolve_s3(settings) == resolve_dynamodb(settings)


def test_a_home_that_cannot_be_written_is_explained(settings: Settings, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"):
        Stack(replace(settings, home=tmp_path / "file" / "home")).up()
