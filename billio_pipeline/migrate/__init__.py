"""A migration's walk: decode to a stage, settle what needs all items, load in committed batches."""
