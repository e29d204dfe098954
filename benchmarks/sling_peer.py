"""sling 1.4.11, as its documentation shows it: a folder of gzipped JSON lines into a PostgreSQL table.

It reads no DynamoDB JSON, so it loads each line whole and one statement makes rows of them: extract, load, transform.
The statement is as trusting as such statements are: no validation, numbers of 38 digits and sets stay wire JSON.
"""

from __future__ import annotations

import json

import psycopg

from benchmarks import finish
from benchmarks.bench import Bench
from benchmarks.measure import Run, watch
from benchmarks.stages import Stages

_TRANSFORM = """
    INSERT INTO public.items (id, type, shelf, title, rating, image_url, image_width, image_height, external_id, notes,
                              added_at, moved_at, series_id, data)
    SELECT (item #>> '{id,S}')::uuid, item #>> '{type,S}', item #>> '{shelf,S}', item #>> '{title,S}',
           (item #>> '{rating,N}')::integer, item #>> '{image,M,url,S}', (item #>> '{image,M,width,N}')::integer,
           (item #>> '{image,M,height,N}')::integer, item #>> '{externalId,S}', item #>> '{notes,S}',
           coalesce(to_timestamp((item #>> '{addedAt,N}')::numeric / 1000), (item #>> '{addedAt,S}')::timestamptz),
           coalesce(to_timestamp((item #>> '{movedAt,N}')::numeric / 1000), (item #>> '{movedAt,S}')::timestamptz),
           (item #>> '{seriesId,S}')::uuid,
           item - ARRAY['id', 'type', 'shelf', 'title', 'rating', 'externalId', 'notes', 'addedAt', 'movedAt',
                        'seriesId', 'type:id', 'type:shelf']
    FROM (SELECT "Item"::jsonb -> 'Item' AS item FROM public.lines) lines
"""


def sling(bench: Bench) -> Run:
    """The export's own files into a table of JSON, that table into `items`, then the indexes."""
    binary = bench.venvs["sling"].file("sling_linux_amd64/bin/sling-linux-amd64")
    data = bench.small
    with bench.server.database() as dsn:
        sling_home = str(bench.folder / "sling")
        environment = bench.environment(
            dsn, BENCH_PG=f"{dsn}?sslmode=disable", SLING_HOME_DIR=sling_home, SLING_LOADED_AT_COLUMN="false",
            SLING_DISABLE_TELEMETRY="true",
        )  # fmt: skip
        finish.create(dsn)
        done = watch(
            [
                binary, "run", "--src-stream", f"file://{data.export}/data/", "--src-options",
                json.dumps({"format": "jsonlines", "flatten": False}), "--tgt-conn", "BENCH_PG",
                "--tgt-object", "public.lines", "--mode", "full-refresh", "--columns", json.dumps({"Item": "json"}),
            ],
            items=data.items, postmaster=bench.server.pid, log=bench.folder / "sling.log", environment=environment,
        )  # fmt: skip
        if done.error is None:
            stages = Stages(bench.server.pid)
            with stages("transform"), psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(_TRANSFORM.encode())
            done.stages += stages.done
        return bench.finished(done, dsn)
