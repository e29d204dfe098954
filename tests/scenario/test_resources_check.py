"""Each resource answers check() outside any run, against the real server, and says what to do when it can't."""

import os
import subprocess
import sys
import uuid

import boto3
import dagster as dg
import pytest

from billio_pipeline.local.ports import free_port
from resources.dynamodb import DynamoDBResource
from resources.notifier import NotifierResource
from resources.objects import ObjectStoreResource
from resources.sql import SqlTargetResource


def test_sql_target_opens_and_says_what_answers(dsql_database):
    resource = SqlTargetResource(dsn=dsql_database)
    answer = resource.check()
    assert answer.ok, answer.detail
    assert "PostgreSQL" in answer.detail
    assert "profile dsql" in answer.detail
    with resource.open() as target, target.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "dsn", ["postgresql://billio:hunter2@127.0.0.1:{port}/x", "postgresql//billio:hunter2@nowhere"]
)
def test_sql_target_that_fails_says_what_to_do_and_no_password(dsn):
    resource = SqlTargetResource(dsn=dsn.format(port=free_port()))
    answer = resource.check()
    assert not answer
    assert "→" in answer.detail
    assert "hunter2" not in f"{answer} {resource} {resource!r}"


def test_dynamodb_finds_its_table(ministack):
    name = f"checked-{uuid.uuid4().hex[:8]}"
    resource = DynamoDBResource(endpoint=ministack, region="us-east-1", table=name)
    assert "ResourceNotFoundException" in resource.check().detail
    resource.client().create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert f"table {name} is ACTIVE" in resource.check().detail
    assert DynamoDBResource(endpoint=ministack).check().ok


def test_object_store_reads_a_bucket_through_one_configuration(ministack):
    bucket = f"checked-{uuid.uuid4().hex[:8]}"
    resource = ObjectStoreResource(location=f"s3://{bucket}/exports", endpoint=ministack)
    assert not resource.check()
    resource.s3().get_client().create_bucket(Bucket=bucket)
    assert resource.check().detail == f"s3://{bucket}/exports: answers, is empty"
    resource.open().write("a/b.json", b"{}")
    assert "holds objects" in resource.check().detail
    assert (
        boto3.client("s3", endpoint_url=ministack).get_object(Bucket=bucket, Key="exports/a/b.json")["Body"].read()
        == b"{}"
    )
    assert ObjectStoreResource(endpoint=ministack).check().ok


def test_object_store_reads_a_folder(tmp_path):
    resource = ObjectStoreResource()
    assert resource.check(tmp_path).ok
    resource.open(tmp_path).write("one", b"1")
    assert "holds objects" in resource.check(tmp_path).detail
    missing = resource.check(tmp_path / "missing")
    assert not missing
    assert "Create the folder" in missing.detail


def test_notifier_declares_several_channels_at_once():
    resource = NotifierResource(
        webhook_url="https://hooks.example/S3CR3T",
        smtp_host="localhost",
        smtp_from="billio@example.com",
        smtp_to="one@example.com, two@example.com",
        sns_topic_arn="arn:aws:sns:us-east-1:000000000000:alerts",
    )
    assert [channel.name for channel in resource.channels()] == [
        "console",
        "webhook",
        "smtp:one@example.com",
        "smtp:two@example.com",
        "sns:alerts",
    ]
    assert "S3CR3T" not in f"{resource} {resource!r} {resource.channels()}"


def test_notifier_check_says_which_channel_is_out_of_reach():
    answer = NotifierResource(webhook_url=f"http://127.0.0.1:{free_port()}/S3CR3T").check()
    assert not answer
    assert "webhook" in answer.detail
    assert "S3CR3T" not in answer.detail
    half = NotifierResource(smtp_host="localhost").check()
    assert "BILLIO_ALERT_SMTP_FROM" in half.detail
    assert NotifierResource().check().ok


def test_secrets_from_the_environment_do_not_show_in_the_resource_page(monkeypatch):
    monkeypatch.setenv("BILLIO_ALERT_WEBHOOK_URL", "https://hooks.example/S3CR3T")
    monkeypatch.setenv("BILLIO_POSTGRES_DSN", "postgresql://billio:S3CR3T@db.example/items")
    definitions = dg.Definitions(
        resources={
            "notifier": NotifierResource(webhook_url=dg.EnvVar("BILLIO_ALERT_WEBHOOK_URL")),
            "target": SqlTargetResource(dsn=dg.EnvVar("BILLIO_POSTGRES_DSN")),
        }
    )
    resources = definitions.get_repository_def().get_top_level_resources()
    shown = str({name: resource.config_schema.default_value_as_json_str for name, resource in resources.items()})
    assert "BILLIO_ALERT_WEBHOOK_URL" in shown
    assert "S3CR3T" not in shown


def test_resources_are_imported_without_aws_or_database_libraries():
    code = """
import sys, resources.dynamodb, resources.notifier, resources.objects, resources.sql
assert resources.objects.ObjectStoreResource().check('.').ok
loaded = {'boto3', 'botocore', 'dagster_aws', 'psycopg', 'pyarrow'} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
