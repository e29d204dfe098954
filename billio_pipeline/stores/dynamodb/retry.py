"""Requests repeated until they are answered for good: which errors are worth it, how long to wait, when to give up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from billio_pipeline.errors import Interrupted, TransientError
from billio_pipeline.stores.objects.aws import explained
from billio_pipeline.stores.retry import BACKOFF, Backoff, Retries

log = logging.getLogger(__name__)
T = TypeVar("T")

UNPROCESSED = "UnprocessedItems"

# DynamoDB developer guide, "Error handling with DynamoDB": what is said for lack of capacity, and what else passes.
THROTTLED = {
    "LimitExceededException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException",
    "Throttling", UNPROCESSED,
}  # fmt: skip
_PASSING = {
    "ContinuousBackupsUnavailableException", "InternalServerError", "InternalServerException",
    "ReplicatedWriteConflictException", "RequestTimeout", "ServiceUnavailable", "TransactionInProgressException",
}  # fmt: skip

_SAFE_SECONDS = 0.5  # between two looks at whether to stop, while waiting


@dataclass(frozen=True)
class Budget:
    """A request gives up after `tries` in a row without progress of its own, when nothing that shares the budget has
    made any for `seconds` either: while some items get through, all of them will."""

    tries: int = 20
    seconds: float = 60.0


BUDGET = Budget()


def transient(error: BaseException, *, reached: bool = True) -> str | None:
    """The code of an error worth another try (AWS's code, or the name of what happened to the connection), or None.

    An endpoint that can't be reached is worth one only when it was `reached` before: it may come back.
    """
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    if isinstance(error, aws.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code if code in THROTTLED | _PASSING or status >= 500 else None
    if isinstance(error, aws.SSLError | aws.ProxyConnectionError):
        return None
    if not reached and isinstance(error, aws.EndpointConnectionError | aws.ConnectTimeoutError):
        return None
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError | ResponseParserError):
        return type(error).__name__
    return None


class Tries:
    """The tries of requests that share one budget; safe to use from several threads.

    `safe_point` is called before each try and while waiting: what it raises ends the work. So does `stop`.
    """

    def __init__(
        self,
        what: str,
        *,
        retries: Retries | None = None,
        budget: Budget = BUDGET,
        backoff: Backoff = BACKOFF,
        safe_point: Callable[[], None] | None = None,
        reached: bool = True,
    ) -> None:
        self.what = what
        self.retries = retries or Retries()
        self._budget, self._backoff = budget, backoff
        self._safe_point = safe_point
        self._reached = reached
        self._stopped = threading.Event()
        self._progress_at = time.monotonic()

    def stop(self) -> None:
        """End the waits of other threads: one of them failed."""
        self._stopped.set()

    def begin(self) -> None:
        """Start the budget's clock: time nobody asked for anything is not held against it."""
        self._progress_at = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the work is to end: then raise."""
        until = time.monotonic() + seconds
        while True:
            if self._safe_point:
                self._safe_point()
            left = until - time.monotonic()
            if self._stopped.wait(max(0.0, min(left, _SAFE_SECONDS))):
                raise Interrupted(f"{self.what}: stopped, for another request failed")
            if left <= _SAFE_SECONDS:
                return

    def until_done(self, once: Callable[[], tuple[int, str]], left: int) -> None:
        """Call `once` until it leaves nothing undone. It returns how much it left, of `left` at first, and why.

        Raises TransientError when the budget is used up, any terminal error, explained, at once.
        """
        failures = 0
        while left:
            said = ""
            with explained(self.what):
                try:
                    now, code = once()
                except Exception as error:
                    found = transient(error, reached=self._reached)
                    if found is None:
                        raise
                    now, code, said = left, found, _first_line(error)
            if now < left:
                failures, self._progress_at = 0, time.monotonic()
            left = now
            if left:
                failures += 1
                self.retries.count(code)
                self._pause(failures, code, said)

    def answer(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, tried until it does."""
        answers: list[T] = []

        def once() -> tuple[int, str]:
            answers.append(ask())
            return 0, ""

        self.until_done(once, 1)
        return answers[0]

    def _pause(self, failures: int, code: str, said: str) -> None:
        idle = time.monotonic() - self._progress_at
        if failures >= self._budget.tries and idle >= self._budget.seconds:
            raise TransientError(
                f"{self.what}: {code} {failures} times in a row and no progress for {idle:.0f} s"
                + (f"; the last: {said}" if said else ""),
                target=self.what,
                error=code,
                tries=failures,
            )
        pause = self._backoff.pause(failures)
        log.info("%s: %s, try %d, again in %.0f ms", self.what, code, failures, pause * 1000)
        self.wait(pause)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def repeat(ask: Callable[[], T], what: str, *, retries: Retries | None = None, reached: bool = True) -> T:
    """What a single request returns, tried until it does. Raises as `Tries.until_done`."""
    return Tries(what, retries=retries, reached=reached).answer(ask)


def answered(error: Any) -> str:
    """The code AWS answered with."""
    return str(error.response.get("Error", {}).get("Code", ""))
