"""What each quarantine reason means and what to do about it: for the report and docs/guarantees.md."""

from __future__ import annotations

from dataclasses import dataclass

from billio_pipeline.model.refusal import Reason


@dataclass(frozen=True)
class ReasonText:
    """`cause` is what was found, `remedy` what a person can do at the source before exporting again."""

    cause: str
    remedy: str


REASONS: dict[Reason, ReasonText] = {
    Reason.NOT_JSON: ReasonText(
        "The line is not one JSON object.",
        "Compare the line with the table; DynamoDB never writes one, so suspect whatever touched the file.",
    ),
    Reason.BAD_UTF8: ReasonText(
        "The line holds bytes that are not UTF-8.",
        "As for not_json. The bytes are kept; write the item again with the text it should have.",
    ),
    Reason.LONE_SURROGATE: ReasonText(
        "A text holds half of a surrogate pair, which no database text can hold.",
        "Write the attribute again with the whole character, or without it.",
    ),
    Reason.NUL_CHARACTER: ReasonText(
        "A text holds U+0000, which PostgreSQL's text and jsonb refuse.", "Remove the character from the attribute."
    ),
    Reason.DUPLICATE_ATTRIBUTE: ReasonText(
        "One object names the same attribute twice, so which value counts is anyone's guess.",
        "Decide which is right and write the item again.",
    ),
    Reason.NOT_DYNAMODB_JSON: ReasonText(
        "The JSON is not an item in DynamoDB's form: a wrong type tag, a payload of another kind.",
        "Export again with the format DYNAMODB_JSON; if it stays, write the item again.",
    ),
    Reason.OVER_DYNAMODB_LIMIT: ReasonText(
        "Beyond what DynamoDB stores: 400 KB, 32 levels, numbers of 38 digits, a set that is not empty.",
        "It never came from a table: find what wrote the line.",
    ),
    Reason.UNKNOWN_TYPE: ReasonText(
        "No declared entity has this type.", "Declare the entity, or correct the item's type attribute."
    ),
    Reason.MISSING_ATTRIBUTE: ReasonText(
        "A required attribute is absent.", "Give the item the attribute the message names."
    ),
    Reason.WRONG_TYPE: ReasonText(
        "An attribute has another DynamoDB type than the declared one: a number as a string, a required one NULL.",
        "Write it again with the declared type.",
    ),
    Reason.BAD_UUID: ReasonText(
        "An id is not a lower-case uuid. Upper case is refused too: other items refer to the id as it is spelt.",
        "Correct the id and everything that refers to it.",
    ),
    Reason.NOT_A_NUMBER: ReasonText(
        "A number is written in a way DynamoDB never writes one, such as NaN or Infinity.", "Write a number."
    ),
    Reason.FRACTIONAL: ReasonText(
        "A whole number was wanted and this one has a fraction, as a rating of 8.5.",
        "Round it at the source: rounding is not this program's decision.",
    ),
    Reason.OUT_OF_RANGE: ReasonText(
        "A number is outside what the column holds, as a rating of 0 or 11.", "Correct it at the source."
    ),
    Reason.TOO_LONG: ReasonText(
        "A text has more characters than the column holds (a title: 500).", "Shorten it at the source."
    ),
    Reason.BAD_TIME: ReasonText(
        "A time can't be read: not whole milliseconds, or text that is no ISO-8601 time with an offset.",
        "Write it as epoch milliseconds.",
    ),
    Reason.TIME_OUT_OF_RANGE: ReasonText(
        "A time is outside the years 0001 to 9999; microseconds sent as milliseconds look like this.",
        "Correct the unit at the source.",
    ),
    Reason.KEY_MISMATCH: ReasonText(
        "The key disagrees with the attributes it is made of: type:id is not {type}:{id}.",
        "Decide which is right. Both are in the message; a key can only be changed by writing a new item.",
    ),
    Reason.REFERENCE_NOT_ALLOWED: ReasonText(
        "An item that isn't a season has a seriesId.", "Remove the attribute, or correct the item's type."
    ),
    Reason.KEY_CONFLICT: ReasonText(
        "Several items claim one key with different contents: every version is here and none was loaded.",
        "Keep the right one at the source, delete the others.",
    ),
    Reason.REFERENCE_MISSING: ReasonText(
        "It refers to an item that is not in the export.",
        "Restore the series, or delete its orphan seasons.",
    ),
    Reason.REFERENCE_WRONG_TYPE: ReasonText(
        "It refers to an item of another type: a seriesId that names no TvSeries.", "Correct the reference."
    ),
    Reason.REFERENCE_REFUSED: ReasonText(
        "It refers to an item that was itself refused.", "Repair that item: this one follows by itself."
    ),
    Reason.TARGET_REFUSED: ReasonText(
        "The database refused the row although everything before accepted it; the message is the database's own.",
        "Read the message: often a limit of that database, such as a key too long for an index.",
    ),
}
