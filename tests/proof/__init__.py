"""The fault matrix: a module per row, each with `run(n, seed, workspace) -> Outcome`; `make prove` runs them all."""
