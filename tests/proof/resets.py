"""A TCP proxy before PostgreSQL that resets connections at COMMIT: before the server hears of it, or after it has."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # the protocol's simple query, as psycopg ends a transaction
_RESET = struct.pack("ii", 1, 0)  # linger for no time: close() sends RST, not FIN


class Resets:
    """Forwards to `upstream`; `rate` of all COMMITs meet a reset, half of them unsent, half unanswered."""

    def __init__(self, upstream: int, rate: float, random: Random) -> None:
        self.count = 0
        self._upstream, self._rate, self._random = upstream, rate, random
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more; connections end with their clients."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close alone leaves accept waiting
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._upstream))
            swallow = threading.Event()
            threading.Thread(target=self._requests, args=(client, server, swallow), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, swallow), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, swallow: threading.Event) -> None:
        with suppress(OSError):
            while chunk := client.recv(1 << 16):
                if COMMIT in chunk and (unsent := self._strike()) is not None:
                    if unsent:
                        _reset(client, server)
                        return
                    swallow.set()
                server.sendall(chunk)
        _close(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, swallow: threading.Event) -> None:
        with suppress(OSError):
            while chunk := server.recv(1 << 16):
                if swallow.is_set():
                    _reset(client, server)
                    return
                client.sendall(chunk)
        _close(client, server)

    def _strike(self) -> bool | None:
        """None: let it pass. True: reset before the COMMIT is sent on; False: after it was answered."""
        with self._lock:
            if self._random.random() >= self._rate:
                return None
            self.count += 1
            return self._random.random() < 0.5


@contextmanager
def resets(upstream: int, rate: float, random: Random) -> Iterator[Resets]:
    """A proxy for the block."""
    proxy = Resets(upstream, rate, random)
    try:
        yield proxy
    finally:
        proxy.close()


def _reset(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
