"""Every error a user can meet: what happened, where, and what to do about it.

Transient errors are retried with jitter and counted; terminal ones stop the run at once. Each class has a documented
`code`; `exit_code` is what the command line answers (2: bad input or configuration, the target was not touched).
"""

from __future__ import annotations

from typing import ClassVar


class BillioError(Exception):
    """Something was noticed that must not go on; every error raised on purpose is one of these.

    The first line of a class's docstring is its documented cause, `remedy` what to do unless the raiser knows better;
    docs/errors.md is made of them. `details` holds plain values for JSON output and Dagster metadata.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    remedy: str = "Read the message: it says what was found and where."

    def __init__(self, message: str, *, remedy: str = "", **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy or type(self).remedy
        self.details = {name: value for name, value in details.items() if value is not None}

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message

    def as_dict(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message, "remedy": self.remedy, **self.details}


class TerminalError(BillioError):
    """Will fail again however often it is tried."""

    code = "terminal"
    remedy = "Mend what the message names, then run the same command again."


class TransientError(BillioError):
    """May succeed when tried again; raised once the retries are used up."""

    code = "transient"
    remedy = "Run the same command again: what was committed is kept, the rest is loaded."


class InputError(TerminalError):
    """What was given to read is not what it must be."""

    code = "bad_input"
    exit_code = 2
    remedy = "Correct what the message names and ask again; nothing was changed."


class ExportError(InputError):
    """An export that is incomplete or damaged: `file`, `expected` and `found` say where."""

    code = "bad_export"
    remedy = "Copy or request the export again; nothing was loaded, the target is untouched."


class ConfigurationError(TerminalError):
    """Settings that can't work: a missing variable, an unreachable endpoint, an option with a bad value."""

    code = "bad_configuration"
    exit_code = 2
    remedy = "Correct the setting or option the message names; docs/aws.md lists all settings."


class TargetError(TerminalError):
    """The target refuses what it must accept: a missing table, a column of another type, a lost privilege."""

    code = "target"
    remedy = "Compare the target's schema with its declaration: billio schema status."


class TargetFull(TargetError):
    """The target has no room for rows or for an index."""

    code = "target_full"
    remedy = "Give the target room and run the same command again: what was committed is kept."


class UnfitTarget(ConfigurationError):
    """The target can't hold the system's tables: another table has the name, or the role lacks the right."""

    code = "unfit_target"
    remedy = "Name another database with --target, free the table's name, or grant the right; nothing was changed."


class UsageError(ConfigurationError):
    """A command line that can't be understood: an unknown command or option, a missing or impossible value."""

    code = "usage"
    remedy = "See --help of the command."


class Interrupted(BillioError):
    """Stopped by Ctrl-C or SIGTERM, at a safe point."""

    code = "interrupted"
    exit_code = 130
    remedy = "Run the same command again: what was committed is kept, the rest is loaded."
