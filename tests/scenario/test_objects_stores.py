"""Object stores: a local folder and the stack's real S3, held to the same promises."""

from __future__ import annotations

import io
import os
import pickle
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from billio_pipeline.errors import ConfigurationError, InputError, TransientError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectInfo, ObjectStore, open_store
from billio_pipeline.stores.objects.aws import aws_client
from billio_pipeline.stores.objects.s3 import S3Store


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_store(tmp_path / "root", settings)
    endpoint = request.getfixturevalue("ministack")
    bucket = f"b-{secrets.token_hex(6)}"
    aws_client("s3", endpoint, "us-east-1").create_bucket(Bucket=bucket)
    return open_store(f"s3://{bucket}/root/", replace(settings, s3_endpoint=endpoint))


def test_what_is_written_is_listed_and_read_back_in_another_process_too(store: ObjectStore) -> None:
    assert not store.exists("a/b")
    store.write("a/b", b"one")
    store.write("a/ü 1+2%.gz", io.BytesIO(b"two" * 5_000_000))
    store.write("a/b", b"three")
    store.write("c", b"")
    again = pickle.loads(pickle.dumps(store))
    assert sorted(again.list(), key=lambda info: info.key) == [
        ObjectInfo("a/b", 5), ObjectInfo("a/ü 1+2%.gz", 15_000_000), ObjectInfo("c", 0),
    ]  # fmt: skip
    assert {info.key for info in again.list("a")} == {"a/b", "a/ü 1+2%.gz"}
    assert {info.key for info in again.within("a").list()} == {"b", "ü 1+2%.gz"}
    assert (again.read("a/b"), again.read("c"), again.stat("a/b")) == (b"three", b"", ObjectInfo("a/b", 5))
    with again.open("a/ü 1+2%.gz") as stream:
        first = stream.read(1000)
        assert first + stream.read() == b"two" * 5_000_000
    assert list(again.list("nowhere")) == []
    again.check()


def test_a_write_that_fails_leaves_what_was_there(store: ObjectStore) -> None:
    store.write("kept", b"before")
    with pytest.raises(ZeroDivisionError), store.create("kept") as stream:
        stream.write(b"%d" % (1 // 0))
    assert [(info.key, store.read(info.key)) for info in store.list()] == [("kept", b"before")]


@pytest.mark.parametrize("key", ["..", "../x", "a/../../x", "/etc/passwd", "", "a//b", "./a", "a/", "a\0b", "a\nb"])
def test_a_key_that_leaves_the_store_is_refused_everywhere(store: ObjectStore, key: str) -> None:
    for use in (store.stat, store.read, store.open, lambda k: store.write(k, b"")):
        with pytest.raises(InputError, match="leaves its folder"):
            use(key)


def test_an_object_that_is_not_there_is_named(store: ObjectStore) -> None:
    store.write("x", b"")
    with pytest.raises(InputError) as caught:
        store.read("nowhere")
    assert caught.value.remedy


def test_a_link_out_is_neither_listed_nor_read_nor_written(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "out").symlink_to(tmp_path)
    store = open_store(root, settings)
    assert list(store.list()) == []
    for use in (store.read, store.stat, lambda key: store.write(key, b"x")):
        for key in ("link", "out/secret"):
            with pytest.raises(InputError, match="leads out"):
                use(key)
    assert (tmp_path / "secret").read_text() == "s"


def test_a_killed_writer_leaves_nothing_that_is_listed(settings: Settings, tmp_path: Path) -> None:
    script = (
        "import os; from pathlib import Path; from billio_pipeline.stores.objects.local import LocalStore\n"
        f"with LocalStore(Path({str(tmp_path)!r})).create('a') as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert len(os.listdir(tmp_path)) == 1
    assert list(open_store(tmp_path, settings).list()) == []


def test_written_files_are_as_readable_as_any(settings: Settings, tmp_path: Path) -> None:
    open_store(tmp_path, settings).write("x", b"")
    (tmp_path / "y").write_bytes(b"")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


class Broken(BaseHTTPRequestHandler):
    """Ours, not S3: breaks every answer off after 1,000 bytes, and counts what it was asked."""

    protocol_version = "HTTP/1.1"
    content = bytes(range(256)) * 20
    tag: ClassVar[str] = '"one"'
    asked: ClassVar[list[str | None]] = []
    breaks_after = 1000

    def do_GET(self) -> None:
        given = self.headers.get("Range")
        self.asked.append(given)
        if self.headers.get("If-Match") not in (None, self.tag):
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        rest = self.content[int(given.removeprefix("bytes=").rstrip("-")) if given else 0 :]
        self.send_response(206 if given else 200)
        self.send_header("ETag", self.tag)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.breaks_after])
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def broken() -> Iterator[tuple[S3Store, type[Broken]]]:
    handler = type("Handler", (Broken,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield S3Store("bucket", "p", f"http://127.0.0.1:{server.server_port}", "us-east-1"), handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_read_that_breaks_off_goes_on_where_it_stopped(broken: tuple[S3Store, type[Broken]]) -> None:
    store, handler = broken
    assert store.read("x") == Broken.content
    assert handler.asked == [None, *(f"bytes={at}-" for at in range(1000, 5120, 1000))]


def test_a_read_that_never_gets_on_ends(broken: tuple[S3Store, type[Broken]]) -> None:
    store, handler = broken
    handler.breaks_after = 0
    with pytest.raises(TransientError, match="breaks off"):
        store.read("x")


def test_a_read_never_mixes_two_versions_of_an_object(broken: tuple[S3Store, type[Broken]]) -> None:
    store, handler = broken
    stream = store.open("x")
    stream.read(10)
    handler.tag = '"two"'
    with pytest.raises(InputError, match=r"412|Precondition"):
        stream.read()


class Refusing(BaseHTTPRequestHandler):
    """Ours: answers every request with the S3 error named in the bucket's place of the path."""

    def do_GET(self) -> None:
        code = self.path.split("/")[1].split("?")[0]
        body = f"<Error><Code>{code}</Code><Message>said so</Message></Error>".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("code", "error", "remedy"),
    [
        ("AccessDenied", InputError, "Grant"),
        ("InvalidAccessKeyId", ConfigurationError, "Sign in"),
        ("SignatureDoesNotMatch", ConfigurationError, "Sign in"),
        ("AuthorizationHeaderMalformed", ConfigurationError, "AWS_REGION"),
    ],
)
def test_what_s3_refuses_is_explained(code: str, error: type[InputError], remedy: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.raises(error, match="said so") as caught:
            S3Store(code, "p", f"http://127.0.0.1:{server.server_port}", "us-east-1").check()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert caught.value.exit_code == 2
    assert remedy in caught.value.remedy
