"""The `billio` script. It imports the command line, a second's work, only once Ctrl-C is listened to."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from billio_pipeline.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
