"""ThriveCalc's own check of what was copied: records under user ids that nobody signs in with any more."""

from collections.abc import Iterator

import dagster as dg

from assets.factory.checks import check_spec
from assets.factory.run import explained, markdown
from assets.thrivecalc.aliases import Orphan, orphans
from assets.thrivecalc.model import SYSTEM
from assets.thrivecalc.renamed import aliases_in
from billio_pipeline.duck import connect
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate.copied import Copied
from billio_pipeline.settings import Settings

SHOWN = 20

_LISTING = dg.AssetKey([SYSTEM.name, "records", "listing"])


def copied_orphans(copied: Copied) -> list[Orphan]:
    """Those among a copy's records, by the map it was made with. Of a tree a user is the first step of the path."""
    files = [str(copied.path / file.name) for file in copied.files]
    if not files:
        return []
    user = "user_id" if copied.kind == "table" else "split_part(key, '/', 2)"
    with connect() as db:
        found = db.execute(f"SELECT {user}, count(*) FROM read_parquet($1) GROUP BY 1", [files]).fetchall()  # noqa: S608
    return orphans({user: records for user, records in found if user is not None}, aliases_in(copied.path))


@dg.multi_asset_check(name=f"{SYSTEM.name}_orphans", specs=[check_spec("orphans", _LISTING)], can_subset=True)
def orphan_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    with explained():
        taken = copies.find(Settings.from_env().home, SYSTEM.name, context.run.run_id)
        found = copied_orphans(taken)
    rows = [[each.user_id, each.stands_for, each.records] for each in found[:SHOWN]]
    yield dg.AssetCheckResult(
        asset_key=_LISTING,
        check_name="orphans",
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "users": len(found),
            "records": sum(each.records for each in found),
            "first": markdown(["user id", "stands for", "records"], rows),
        },
    )
