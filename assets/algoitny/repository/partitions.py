"""The partitions a user's history, usage and counters are in; who is not signed in shares a few, by the rows' ids."""

from __future__ import annotations

from assets.algoitny.model import BUCKETS


def partition(user_id: int | None, id: int) -> str:
    """The partition of a user's row; of one of nobody signed in (None), by its id."""
    return f"USER#{user_id}" if user_id is not None else f"USER#anonymous#{id % BUCKETS}"


def partitions(user_id: int | None) -> list[str]:
    """All partitions a user's rows are in."""
    return [partition(user_id, bucket) for bucket in range(1 if user_id is not None else BUCKETS)]
