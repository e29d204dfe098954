"""Times: µs since 1970 UTC, as rows have them, and the days of UTC that usage is counted by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from billio_pipeline.errors import InputError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000


def now() -> datetime:
    """The clock where no other is given."""
    return datetime.now(UTC)


def micros(time: datetime) -> int:
    """An aware datetime in µs since 1970. Raises InputError when it has no offset."""
    if time.tzinfo is None:
        raise InputError(f"the time {time} has no offset", remedy="Give a time zone, for example UTC.")
    return (time - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """µs since 1970 as a UTC datetime."""
    return EPOCH + timedelta(microseconds=at)


def day_of(at: int) -> str:
    """The day in UTC of µs since 1970, like 2025-01-15."""
    return moment(at).date().isoformat()


def day_bounds(day: str) -> tuple[datetime, datetime]:
    """When a day in UTC begins and the next one does. Raises InputError."""
    try:
        begin = datetime.fromisoformat(day + "T00:00:00+00:00")
    except ValueError:
        raise InputError(f"{day!r} is no day", remedy="Write it like 2025-01-15.") from None
    return begin, begin + timedelta(days=1)
