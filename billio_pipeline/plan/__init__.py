"""Looks at an export before anything is moved: what it holds, what a migration would do, cost and meet. Writes nothing
but a temporary stage of its own."""
