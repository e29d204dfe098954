"""Asks AWS for a table export to a point in time, waits for it, and takes the wait up again by its ARN."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from billio_pipeline.errors import ExportError, InputError
from billio_pipeline.stores.objects.aws import explained

POLL_SECONDS = 10.0  # an export takes minutes; DescribeExport is cheap but not free of limits

_REMEDIES = {
    "PointInTimeRecoveryUnavailableException": "Turn on point-in-time recovery for the table, then export again.",
    "InvalidExportTimeException": "Give an --export-time inside the table's recovery window.",
    "ExportConflictException": "Wait for the other export of this table, or resume it with --export-arn.",
    "TableNotFoundException": "Check the table's name, the account and AWS_REGION.",
    "ExportNotFoundException": "Check the export's ARN, the account and AWS_REGION.",
    "ImportConflictException": "Wait for the other import, or resume it by its ARN.",
    "ImportNotFoundException": "Check the import's ARN, the account and AWS_REGION.",
    "LimitExceededException": "Wait for other exports or imports of the account to finish, then try again.",
    "ResourceInUseException": "An import makes its table: drop the one of that name, or name another.",
}


def table_arn(client: Any, table: str) -> str:
    """The ARN by which exports name a table."""
    with explained(f"table {table}", absent="Check the table's name, the account and AWS_REGION."):
        return str(client.describe_table(TableName=table)["Table"]["TableArn"])


def request_pitr_export(
    client: Any,
    arn: str,
    bucket: str,
    prefix: str = "",
    *,
    export_time: datetime | None = None,
    token: str | None = None,
) -> str:
    """Request a full DYNAMODB_JSON export of the table to s3://bucket/prefix; returns the export's ARN.

    `export_time` needs a time zone; None means now. The same `token` within eight hours gives the same export.
    """
    request: dict[str, Any] = {
        "TableArn": arn,
        "S3Bucket": bucket,
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "FULL_EXPORT",
        "ClientToken": token or str(uuid.uuid4()),
    }
    if prefix:
        request["S3Prefix"] = prefix
    if export_time is not None:
        request["ExportTime"] = export_time
    with explained_request(f"the export of {arn}"):
        return str(client.export_table_to_point_in_time(**request)["ExportDescription"]["ExportArn"])


def wait_for_export(
    client: Any,
    arn: str,
    *,
    poll: float = POLL_SECONDS,
    waiting: Callable[[Mapping[str, Any]], None] | None = None,
) -> Mapping[str, Any]:
    """The description of the completed export, however long it takes; `waiting` is told each look before that.

    Raises ExportError when AWS gave up, or when it is not a full DYNAMODB_JSON export of the whole table.
    """
    while True:
        with explained_request(f"export {arn}"):
            found = client.describe_export(ExportArn=arn)["ExportDescription"]
        status = found.get("ExportStatus")
        if status == "COMPLETED":
            return _whole(arn, found)
        if status != "IN_PROGRESS":
            raise ExportError(
                f"export {arn}: {status}, {found.get('FailureCode', '')} {found.get('FailureMessage', '')}".rstrip(
                    ", "
                ),
                remedy="Correct what AWS names above and request the export again.",
                file=arn,
                expected="COMPLETED",
                found=status,
            )
        if waiting:
            waiting(found)
        time.sleep(poll)


def location(description: Mapping[str, Any]) -> str:
    """Where a completed export is: s3://bucket/prefix/AWSDynamoDB/<id>."""
    manifest = description.get("ExportManifest")
    if not manifest:
        raise InputError(
            f"export {description.get('ExportArn')}: AWS names no manifest", remedy="Look for it in the bucket."
        )
    return f"s3://{description['S3Bucket']}/{str(manifest).rpartition('/')[0]}"


def _whole(arn: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, expected in (("ExportFormat", "DYNAMODB_JSON"), ("ExportType", "FULL_EXPORT")):
        if found.get(name, expected) != expected:
            raise ExportError(
                f"export {arn}: {name} is {found[name]}",
                remedy=f"Request an export with {name} {expected}.",
                file=arn,
                expected=expected,
                found=found[name],
            )
    if found.get("FilterSpecification"):
        raise ExportError(
            f"export {arn} is filtered: it doesn't hold every item",
            remedy="Request an export without a filter.",
            file=arn,
            expected="no filter",
            found="a filter",
        )
    return found


@contextmanager
def explained_request(what: str) -> Iterator[None]:
    """Turn what AWS answers to a request for a long job (export, import) into errors that say what to do."""
    from botocore.exceptions import ClientError

    with explained(what):
        try:
            yield
        except ClientError as error:
            answer = error.response.get("Error", {})
            if remedy := _REMEDIES.get(str(answer.get("Code"))):
                raise InputError(f"{what}: {answer['Code']}, {answer.get('Message', '')}", remedy=remedy) from error
            raise
