"""The words a migration is declared in, the logical types and the canonical form. Declares; does no I/O."""
