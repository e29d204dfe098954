"""DynamoDB: tables, table exports in AWS's layout, backups. Raw wire lines go in and out; no entity is known here."""

from billio_pipeline.stores.dynamodb.client import dynamodb_client, writing_client
from billio_pipeline.stores.dynamodb.lines import Lines, SourceFile
from billio_pipeline.stores.dynamodb.pitr import request_pitr_export, wait_for_export
from billio_pipeline.stores.dynamodb.scan import Exported, export_table
from billio_pipeline.stores.dynamodb.source import Source, open_source
from billio_pipeline.stores.dynamodb.write import Writer, put_items

__all__ = [
    "Exported",
    "Lines",
    "Source",
    "SourceFile",
    "Writer",
    "dynamodb_client",
    "export_table",
    "open_source",
    "put_items",
    "request_pitr_export",
    "wait_for_export",
    "writing_client",
]
