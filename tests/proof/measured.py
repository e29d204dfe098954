"""`python -m proof.measured EXPORT DSN HOME`: a migrate at engine level and its verdict, to be watched from outside."""

import sys

from loading import same

from assets.billio.model import SYSTEM
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.target import Target
from proof import engine


def main() -> None:
    export, dsn, home = sys.argv[1:]
    order = engine.Order(export, dsn, home, loaders=4, workers=2, processes=True)
    answer = engine.migrate(order)
    with Target.open(dsn, Settings.from_env()) as target:
        if answer["unfinished"] or not same(target, Stage(engine.Path(answer["stage"]), SYSTEM)):
            raise SystemExit(f"not the same: {answer['unfinished']}")


if __name__ == "__main__":
    main()
