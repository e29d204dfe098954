"""Ports on 127.0.0.1: the one configured, the one used last time, or any free one."""

from __future__ import annotations

import socket

from billio_pipeline.errors import ConfigurationError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def choose_port(name: str, configured: int | None, last: int | None = None) -> int:
    """A port to listen on. Raises ConfigurationError when the configured one (variable `name`) is taken."""
    if configured is not None:
        if not is_free(configured):
            raise ConfigurationError(
                f"port {configured} on {HOST} is in use by another program",
                remedy=f"Stop that program, or unset {name}: a free port is chosen then.",
                variable=name,
            )
        return configured
    if last is not None and is_free(last):
        return last
    return free_port()
