"""Clients of the DynamoDB API: one for asking, whose retries are botocore's, and one for writing, whose are ours."""

from __future__ import annotations

from typing import Any

from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects.aws import aws_client

CONNECTIONS = 64  # kept open at most
ANSWER_SECONDS = 10.0  # a write is answered in milliseconds; one that takes so long is asked again


def dynamodb_client(settings: Settings) -> Any:
    """A low-level client: numbers stay text, values are wire values. Connects to nothing yet."""
    return aws_client(
        "dynamodb",
        settings.dynamodb_endpoint,
        settings.region,
        parameter_validation=False,
        max_pool_connections=CONNECTIONS,
    )


def writing_client(settings: Settings, *, answer_seconds: float = ANSWER_SECONDS) -> Any:
    """A client for what retries itself, counting and pausing (retry.py): it tries once and waits `answer_seconds`."""
    return aws_client(
        "dynamodb",
        settings.dynamodb_endpoint,
        settings.region,
        parameter_validation=False,
        max_pool_connections=CONNECTIONS,
        read_timeout=answer_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
