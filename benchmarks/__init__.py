"""`make bench`: the whole job beside its limits and its peers, on the same data, on a PostgreSQL of its own."""
