"""DynamoDBResource: a DynamoDB API, on AWS or embedded, and optionally the table meant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dagster import ConfigurableResource
from pydantic import Field

from billio_pipeline.settings import Settings
from resources.checkup import CheckUp, examine

if TYPE_CHECKING:
    from billio_pipeline.model.tables import DynamoTable


class DynamoDBResource(ConfigurableResource):
    """Gives a boto3 DynamoDB client. Credentials come from the AWS credential chain, never from configuration."""

    endpoint: str | None = Field(default=None, description="Endpoint URL. Unset: BILLIO_DYNAMODB_ENDPOINT, else AWS.")
    region: str | None = Field(default=None, description="AWS region. Unset: AWS_REGION or AWS_DEFAULT_REGION.")
    table: str | None = Field(default=None, description="The table check() looks for.")

    def settings(self) -> Settings:
        """The environment's settings with this resource's own configuration in front."""
        settings = Settings.from_env()
        return replace(
            settings,
            dynamodb_endpoint=self.endpoint or settings.dynamodb_endpoint,
            region=self.region or settings.region,
        )

    def client(self) -> Any:
        """A boto3 DynamoDB client, safe to share between threads."""
        from billio_pipeline.stores.dynamodb.client import dynamodb_client

        return dynamodb_client(self.settings())

    def writer(self) -> Any:
        """A boto3 DynamoDB client for loading: it repeats nothing by itself, for the loader does."""
        from billio_pipeline.stores.dynamodb.client import writing_client

        return writing_client(self.settings())

    def scaler(self) -> Any:
        """A boto3 client that scales provisioned capacity; None where the endpoint is not AWS, which has no such."""
        if not self._aws():
            return None
        import boto3

        return boto3.client("application-autoscaling", region_name=self.settings().region)

    def fitting(self, table: DynamoTable) -> DynamoTable:
        """The table as this endpoint can have it: elsewhere than on AWS nothing scales, so capacity is on demand."""
        return table if self._aws() else replace(table, capacity=None)

    def _aws(self) -> bool:
        endpoint = self.settings().dynamodb_endpoint
        return endpoint is None or (urlsplit(endpoint).hostname or "").endswith(".amazonaws.com")

    def check(self) -> CheckUp:
        """Describes the table, or lists one when none is named; reads no item."""

        def ask() -> str:
            client = self.client()
            where = client.meta.endpoint_url
            if not self.table:
                names = client.list_tables(Limit=1)["TableNames"]
                return f"{where}: answers, {'holds tables' if names else 'holds no table'}"
            table = client.describe_table(TableName=self.table)["Table"]
            return f"{where}: table {self.table} is {table['TableStatus']}, about {table.get('ItemCount', 0)} items"

        return examine(
            ask,
            what="DynamoDB",
            remedy="Check BILLIO_DYNAMODB_ENDPOINT, AWS_REGION, the credentials and the table's name.",
        )
