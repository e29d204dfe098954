"""Each channel against a real server of its kind: what arrives, what counts as delivered, what is never said."""

import json
import re
import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest

from billio_pipeline.errors import ConfigurationError, TransientError
from billio_pipeline.local import dynamodb
from billio_pipeline.local.ports import free_port
from resources.channels import Console, Smtp, Sns, Webhook
from resources.messages import Alert

COUNTS = {"source": 10, "target": 7, "missing": 3, "extra": 0}
ALERT = Alert("check", "ERROR", "billio", "Book", "billio/loaded/Book", "count", "run-1", "migrate_billio", COUNTS)


@contextmanager
def serving(server):
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def web(status: int, **headers: str):
    """An HTTP server that answers every request so and keeps what was posted."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.received.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Not into the test's output."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.received = []
    with serving(server):
        yield server, Webhook(f"http://127.0.0.1:{server.server_port}/hooks/S3CR3T")


class MailHandler(socketserver.StreamRequestHandler):
    """The least of SMTP: EHLO, AUTH PLAIN, MAIL, RCPT, DATA, NOOP, QUIT."""

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self):
        self.say("220 test")
        for raw in self.rfile:
            line = raw.decode().strip()
            self.server.lines.append(line)
            match line.split(maxsplit=1)[0].upper():
                case "EHLO":
                    self.say("250-test")
                    self.say("250 AUTH PLAIN")
                case "AUTH":
                    self.say("235 ok" if self.server.lets_in else "535 no")
                case "RCPT" if "nobody@" in line:
                    self.say("550 no such user")
                case "DATA":
                    self.say("354 go on")
                    body = b"".join(iter(self.rfile.readline, b".\r\n"))
                    self.server.mails.append(message_from_bytes(body, policy=policy.default))
                    self.say("250 kept")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")


@pytest.fixture
def mail():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler)
    server.daemon_threads, server.lines, server.mails, server.lets_in = True, [], [], True
    with serving(server):
        yield server


def smtp(server, recipient="ops@example.com", **more):
    return Smtp("127.0.0.1", server.server_address[1], "billio@example.com", recipient, starttls=False, **more)


def test_console_prints_the_alert(capsys):
    Console().send(ALERT)
    assert capsys.readouterr().err == f"{ALERT.text}\n"


def test_webhook_posts_text_and_fields():
    with web(200) as (server, channel):
        channel.send(ALERT)
    ((path, kind, body),) = server.received
    assert (path, kind) == ("/hooks/S3CR3T", "application/json; charset=utf-8")
    assert body == ALERT.payload()
    assert (body["missing"], body["entity"]) == (3, "Book")


@pytest.mark.parametrize(("status", "error"), [(503, TransientError), (429, TransientError), (404, ConfigurationError)])
def test_webhook_that_refuses_is_an_error_without_its_secret(status, error):
    with web(status) as (_, channel), pytest.raises(error, match=str(status)) as raised:
        channel.send(ALERT)
    assert "S3CR3T" not in f"{raised.value} {channel!r}"


def test_webhook_that_redirects_has_not_delivered():
    with web(302, Location="/elsewhere") as (_, channel), pytest.raises(ConfigurationError, match="302"):
        channel.send(ALERT)


def test_webhook_that_is_not_there_is_transient():
    channel = Webhook(f"http://127.0.0.1:{free_port()}/hooks/S3CR3T")
    for way in (lambda: channel.send(ALERT), channel.reach):
        with pytest.raises(TransientError) as raised:
            way()
        assert "S3CR3T" not in str(raised.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "hooks.example/S3CR3T", "https:///S3CR3T"])
def test_webhook_must_be_a_web_address(url):
    with pytest.raises(ConfigurationError) as raised:
        Webhook(url)
    assert "S3CR3T" not in str(raised.value)


def test_mail_arrives_with_subject_and_numbers(mail):
    smtp(mail, user="billio", password="hunter2").send(ALERT)
    (message,) = mail.mails
    assert (message["From"], message["To"]) == ("billio@example.com", "ops@example.com")
    assert message["Subject"] == "ERROR billio Book: check count failed"
    assert "source 10 · target 7 · missing 3 · extra 0" in message.get_content()
    assert any(line.startswith("AUTH PLAIN") for line in mail.lines)


def test_mail_to_an_unknown_recipient_is_an_error(mail):
    with pytest.raises(TransientError, match=re.escape("smtp:nobody@example.com")):
        smtp(mail, "nobody@example.com").send(ALERT)
    assert mail.mails == []


def test_a_refused_password_is_final_and_not_said(mail):
    mail.lets_in = False
    channel = smtp(mail, user="billio", password="hunter2")
    with pytest.raises(ConfigurationError) as raised:
        channel.send(ALERT)
    assert "hunter2" not in f"{raised.value} {channel!r}"


def test_mail_asks_for_starttls_and_goes_nowhere_without(mail):
    channel = Smtp("127.0.0.1", mail.server_address[1], "a@example.com", "b@example.com")
    with pytest.raises(ConfigurationError, match="STARTTLS"):
        channel.send(ALERT)
    assert mail.mails == []


def test_a_password_never_crosses_the_network_in_clear():
    with pytest.raises(ConfigurationError, match="clear"):
        Smtp("mail.example", 25, "a@example.com", "b@example.com", "billio", "hunter2", starttls=False)


@pytest.fixture(scope="module")
def sns_endpoint(tmp_path_factory):
    server = dynamodb.DynamoDbServer(tmp_path_factory.mktemp("sns"), persist=False)
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamodb, "SERVICES", "sns,sqs")
        server.start(port)
    yield f"http://127.0.0.1:{port}"
    server.stop()


def test_sns_publishes_what_a_subscriber_receives(sns_endpoint):
    place = {"region_name": "us-east-1", "endpoint_url": sns_endpoint}
    sns, sqs = boto3.client("sns", **place), boto3.client("sqs", **place)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    channel = Sns(topic, endpoint=sns_endpoint)
    channel.reach()
    channel.send(ALERT)
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == "ERROR billio Book: check count failed"
    assert envelope["Message"] == ALERT.text
    assert envelope["MessageAttributes"]["severity"]["Value"] == "ERROR"


def test_an_unknown_topic_is_an_error(sns_endpoint):
    channel = Sns("arn:aws:sns:us-east-1:000000000000:nothing-here", endpoint=sns_endpoint)
    with pytest.raises(ConfigurationError, match=re.escape("sns:nothing-here")):
        channel.send(ALERT)


def test_sns_that_is_not_there_is_transient():
    channel = Sns("arn:aws:sns:us-east-1:000000000000:alerts", endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError):
        channel.send(ALERT)
