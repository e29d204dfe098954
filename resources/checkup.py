"""CheckUp: the answer of a resource's check(), which may be asked outside any run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from billio_pipeline.errors import BillioError
from resources.redact import one_line, redact


@dataclass(frozen=True)
class CheckUp:
    """Whether the thing behind a resource answers, and in `detail` what it is or why not and what to do."""

    ok: bool
    detail: str

    def __bool__(self) -> bool:
        return self.ok


def examine(ask: Callable[[], str], *, what: str, remedy: str, secrets: Iterable[str | None] = ()) -> CheckUp:
    """Ask; whatever goes wrong is the answer, in words, with a remedy and without secrets."""
    try:
        return CheckUp(True, redact(ask(), secrets))
    except BillioError as error:
        return CheckUp(False, redact(f"{what}: {error.message} → {error.remedy or remedy}", secrets))
    except Exception as error:  # drivers raise classes of their own that are not to be imported for this
        reason = one_line(redact(f"{type(error).__name__}: {error}", secrets))
        return CheckUp(False, f"{what}: {reason} → {remedy}")
