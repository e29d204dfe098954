"""The one-file floor: gzip, orjson, text COPY, then the indexes. No checks, no batches, no second try."""

from __future__ import annotations

from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages

# Rows joined before they are handed to COPY.
_AT_ONCE = 500
_ESCAPES = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        import orjson
        import psycopg

        from benchmarks import finish, plain

    def text(value: object) -> str:
        if value is None:
            return "\\N"
        if isinstance(value, dict):
            return orjson.dumps(value).decode().translate(_ESCAPES)
        return str(value).translate(_ESCAPES)

    with psycopg.connect(order.dsn) as connection:
        with stages("load"):
            command = f"COPY items ({', '.join(plain.COLUMNS)}) FROM STDIN"
            with connection.cursor().copy(command.encode()) as copy:
                waiting: list[str] = []
                for row in plain.rows(order.path):
                    waiting.append("\t".join(map(text, row)))
                    if len(waiting) == _AT_ONCE:
                        copy.write("\n".join(waiting) + "\n")
                        waiting = []
                if waiting:
                    copy.write("\n".join(waiting) + "\n")
            connection.commit()
        with stages("indexes"):
            finish.finish(order.dsn)
    stages.answer(Path(order.answer))


if __name__ == "__main__":
    main()
