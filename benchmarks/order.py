"""What a child process is told to do. Its DSN travels in the environment, not on the command line."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

DSN = "BENCH_DSN"


@dataclass(frozen=True)
class Order:
    """`export` to load; `answer` is where the child tells its stages; `options` are the competitor's own."""

    export: str
    answer: str
    postmaster: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        return os.environ[DSN]

    def arguments(self, module: str) -> list[str]:
        """What follows the interpreter on the child's command line."""
        return ["-m", f"benchmarks.{module}", json.dumps(asdict(self))]

    @classmethod
    def given(cls) -> Order:
        """The order this process was started with."""
        return cls(**json.loads(sys.argv[1]))

    @property
    def path(self) -> Path:
        return Path(self.export)
