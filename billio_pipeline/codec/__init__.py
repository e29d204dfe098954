"""Compiles a declaration into a decoder: export line → row, and back. Knows the model only; does no I/O."""
