"""Why an item is refused: one code per cause, shown in quarantine, reports and counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The quarantine's reason codes. Those above the line are found in one item, those below need all items."""

    NOT_JSON = "not_json"
    BAD_UTF8 = "bad_utf8"
    LONE_SURROGATE = "lone_surrogate"
    NUL_CHARACTER = "nul_character"
    DUPLICATE_ATTRIBUTE = "duplicate_attribute"
    NOT_DYNAMODB_JSON = "not_dynamodb_json"
    OVER_DYNAMODB_LIMIT = "over_dynamodb_limit"
    UNKNOWN_TYPE = "unknown_type"
    MISSING_ATTRIBUTE = "missing_attribute"
    WRONG_TYPE = "wrong_type"
    BAD_UUID = "bad_uuid"
    NOT_A_NUMBER = "not_a_number"
    FRACTIONAL = "fractional"
    OUT_OF_RANGE = "out_of_range"
    TOO_LONG = "too_long"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    KEY_MISMATCH = "key_mismatch"
    REFERENCE_NOT_ALLOWED = "reference_not_allowed"
    # ── found by settle, once every file was read
    KEY_CONFLICT = "key_conflict"
    REFERENCE_MISSING = "reference_missing"
    REFERENCE_WRONG_TYPE = "reference_wrong_type"
    REFERENCE_REFUSED = "reference_refused"
    # ── found by the target
    TARGET_REFUSED = "target_refused"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused value or item. `message` names the attribute and what was found, for a person to act on."""

    reason: Reason
    message: str

    def at(self, attribute: str) -> Refusal:
        """The same refusal, naming the attribute it was found at."""
        return Refusal(self.reason, f"{attribute}: {self.message}")
