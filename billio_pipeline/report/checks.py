"""What each check proves, what it can't see, the one mutation only it catches: for Dagster, the report and the docs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckText:
    """Three sentences on one check. `catches` is the mutation a test plants and no other check notices.

    `blocks`: when it fails, nothing after it runs and the exit code is 1; otherwise it only warns.
    """

    proves: str
    cannot_see: str
    catches: str
    blocks: bool

    @property
    def description(self) -> str:
        """All three, as Markdown."""
        return f"{self.proves}\n\n**Only it catches:** {self.catches}\n\n**It can't see:** {self.cannot_see}"


CHECKS: dict[str, CheckText] = {
    "manifest_complete": CheckText(
        proves="The export is finished, every file it lists is there, and its manifests' checksums and totals agree.",
        cannot_see="Damage inside a data file, which ends the run when the file is read; writes after the export.",
        catches="A manifest that counts one item more than its files hold.",
        blocks=True,
    ),
    "complete": CheckText(
        proves="The source is a table export, which counts its own items.",
        cannot_see="How many items a backup lacks: one read through an index never held what the index leaves out.",
        catches="A backup in place of an export: everything in it may arrive and items can still be lost.",
        blocks=False,
    ),
    "quarantine_empty": CheckText(
        proves="No item was refused.",
        cannot_see="Whether a refused item matters to anyone, or what its right value would be.",
        catches="An item with an impossible value: it is counted, explained and kept, so the counts still add up.",
        blocks=False,
    ),
    "reversible": CheckText(
        proves="Everything accepted was rebuilt from what it became alone, and equals its source, value by value.",
        cannot_see="What becomes of it after it was staged; rows_equal sees that.",
        catches="A mapping that drops part of an item, as one that keeps an image's url and loses its sizes.",
        blocks=True,
    ),
    "count": CheckText(
        proves="Key by key, everything accepted is in the target, and all of the target has its source.",
        cannot_see="Content: a right key with wrong values counts as loaded.",
        catches="One row deleted and a stranger inserted: the totals still agree.",
        blocks=True,
    ),
    "rows_equal": CheckText(
        proves="Every column or attribute of all that was loaded, read back from the target, equals what was staged.",
        cannot_see="What was lost before staging, which reversible sees, and columns the model does not declare.",
        catches="One value changed in the target.",
        blocks=True,
    ),
    "references_valid": CheckText(
        proves="Every reference names a row of the right kind, and the database has validated its foreign keys.",
        cannot_see="Whether it is the series the owner meant: only that it exists and is one.",
        catches="A season let through whose series_id names a book: a foreign key is content with that.",
        blocks=True,
    ),
    "rules_hold": CheckText(
        proves="Every row satisfies the rules its entity declares, and the database has validated its constraints.",
        cannot_see="Rules nobody declared.",
        catches="A book let through with a series_id while the table lacks the constraint that forbids it.",
        blocks=True,
    ),
    "parity": CheckText(
        proves="Each access pattern, on sampled arguments, is answered by the target as by the source.",
        cannot_see="Arguments that were not sampled, the order among equal sort keys, and speed.",
        catches="A query that answers wrongly from right data, as seasons sorted by date and not by number.",
        blocks=True,
    ),
    "schema_matches": CheckText(
        proves="The target has what the model declares: columns, types, indexes, constraints; keys, expiry, capacity.",
        cannot_see="Whether the planner uses an index, who may read the table, and objects of other tables.",
        catches="An index dropped or rebuilt in another order.",
        blocks=False,
    ),
    "series_follow_last_season": CheckText(
        proves="Every series has the rating, shelf and date of its season with the highest number.",
        cannot_see="Which of the two is right when they disagree: it reports what the source holds.",
        catches="A rewatched early season that had overwritten its series.",
        blocks=False,
    ),
    "category_derivable": CheckText(
        proves="An item's category is Watching exactly when it is a Feature or a TvSeries, so no column holds it.",
        cannot_see="Why an item differs; its own category is remembered and rebuilt as it was.",
        catches="A book in the category Watching: the type alone no longer answers that query.",
        blocks=False,
    ),
    "shelves_known": CheckText(
        proves="Every item stands on a shelf that the application knows for its type.",
        cannot_see="Whether it is the right one of them.",
        catches="A misspelt shelf: it is text, so it loads, and no page ever shows it.",
        blocks=False,
    ),
    "keys": CheckText(
        proves="The tables hold the keys of the accepted items, those that expired aside, and no others.",
        cannot_see="What the items under these keys hold.",
        catches="An item of a kind nobody declared, which counts under no entity.",
        blocks=True,
    ),
    "gsi_members": CheckText(
        proves="Each index holds exactly the items that have its keys; what must not be found through it has none.",
        cannot_see="The order within an index, and what it projects.",
        catches="An index that was not, or not yet wholly, filled from a table that is right.",
        blocks=True,
    ),
    "archived": CheckText(
        proves="Whatever expiry has taken from the table, or soon will, is in the archive.",
        cannot_see="Where the archive is kept, and for how long.",
        catches="An archive that lacks a log the table is about to lose.",
        blocks=True,
    ),
    "exported": CheckText(
        proves="The files, or the tables made of them, have as many rows as items were read.",
        cannot_see="Values, and what was written to the table since.",
        catches="A file of an export that was cut short behind its back.",
        blocks=False,
    ),
    "orphans": CheckText(
        proves="Every record belongs to a user known by the present kind of id.",
        cannot_see="Whether it is the right user.",
        catches="Records under an e-mail address that no account has any more: nobody will ever read them.",
        blocks=False,
    ),
    "ttl_plausible": CheckText(
        proves="Items that expire do so at a time within five years.",
        cannot_see="Whether it is the right one of these times; rows_equal compares it with the staged one.",
        catches="Milliseconds written where DynamoDB takes seconds: such items never expire.",
        blocks=False,
    ),
    "item_sizes": CheckText(
        proves="No item comes near the 400 KB that DynamoDB holds.",
        cannot_see="How they will grow.",
        catches="An item that loads, and that the application's next update can't write.",
        blocks=False,
    ),
    "hottest_key": CheckText(
        proves="No partition key has more than a tenth of a table's items.",
        cannot_see="Which keys the application reads and writes most.",
        catches="Everything anonymous under one key, which one partition then serves alone.",
        blocks=False,
    ),
    "fast_share": CheckText(
        proves="At least nine in ten items were decoded the fast way.",
        cannot_see="Correctness, which does not depend on it: what the fast way defers is decoded exactly by the slow.",
        catches="A new shape of item that sends everything the slow way: right results, several times the cost.",
        blocks=False,
    ),
}
