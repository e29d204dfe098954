"""Dagster resources: thin, typed doors to the engine's stores and to the people who must hear of a failure.

What lives here: configuration, lazily imported clients, `check()` for use outside a run, reading of check evaluations,
alert messages and their channels. What may not: entities, SQL, anything that decides what is correct.
"""
