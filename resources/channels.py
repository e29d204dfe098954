"""The ways an alert leaves: console, webhook, SMTP, SNS. Each sends one alert or raises; none says its secret."""

from __future__ import annotations

import hashlib
import json
import smtplib
import socket
import ssl
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlsplit

from billio_pipeline.errors import BillioError, ConfigurationError, TransientError
from resources.messages import Alert
from resources.redact import one_line, redact

TIMEOUT = 4.0  # seconds for one attempt; a sensor tick has 60 s for all its alerts
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Channel(Protocol):
    """`send` returns once the other side has accepted the alert. `reach` tries the way there without an alert."""

    @property
    def name(self) -> str: ...
    def send(self, alert: Alert, timeout: float = TIMEOUT) -> None: ...
    def reach(self) -> None: ...


def _failed(channel: Channel, why: str, remedy: str, *, again: bool = True) -> BillioError:
    return (TransientError if again else ConfigurationError)(f"{channel.name}: {why}", remedy=remedy)


@dataclass(frozen=True)
class Console:
    """Standard error of the process that evaluates the sensor."""

    name: str = "console"

    def send(self, alert: Alert, timeout: float = TIMEOUT) -> None:
        print(alert.text, file=sys.stderr, flush=True)

    def reach(self) -> None:
        """Always there."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would follow a redirected POST with a GET and report success for an alert nobody received."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class Webhook:
    """POSTs the alert as JSON: Slack-like `text` and structured fields. Of the URL, a secret, only the host is told."""

    url: str = field(repr=False)
    name: str = "webhook"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _failed(self, "the URL is not http(s)://host…", "Set BILLIO_ALERT_WEBHOOK_URL.", again=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def send(self, alert: Alert, timeout: float = TIMEOUT) -> None:
        body = json.dumps(alert.payload(), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "billio-pipeline"}
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        try:
            with _OPENER.open(request, timeout=timeout):
                return
        except urllib.error.HTTPError as error:
            error.close()
            again = error.code in (408, 425, 429) or error.code >= 500
            raise _failed(self, f"{self.host} answered {error.code}", "Check the webhook's URL.", again=again) from None
        except (OSError, ValueError) as error:  # no connection, time out, bad answer; their text may hold the URL
            why = f"{self.host}: {one_line(redact(str(error), [self.url]))}"
            raise _failed(self, why, "Check that the webhook's host answers.") from None

    def reach(self) -> None:
        parts = urlsplit(self.url)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((self.host, port), timeout=TIMEOUT).close()
        except (OSError, ValueError) as error:
            raise _failed(self, f"{self.host}: {error}", "Check that the webhook's host answers.") from None


@dataclass(frozen=True)
class Smtp:
    """Mails the alert to one recipient: several recipients are several channels, so that each is told exactly once."""

    host: str
    port: int
    sender: str
    recipient: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    starttls: bool = True

    def __post_init__(self) -> None:
        if self.user and not self.starttls and self.host not in LOOPBACK:
            remedy = "Turn smtp_starttls on, or leave the user out."
            raise _failed(self, "a password would cross the network in clear", remedy, again=False)

    @property
    def name(self) -> str:
        return f"smtp:{self.recipient}"

    def send(self, alert: Alert, timeout: float = TIMEOUT) -> None:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = one_line(alert.subject), self.sender, self.recipient
        one = hashlib.sha256(f"{alert.run_id} {alert.failure}".encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{one}@{self.sender.rpartition('@')[2]}>"  # a mail sent twice can be told
        message.set_content(alert.text)
        self._talk(lambda server: server.send_message(message), timeout)

    def reach(self) -> None:
        self._talk(lambda server: server.noop(), TIMEOUT)

    def _talk(self, say: Any, timeout: float) -> None:
        try:
            with smtplib.SMTP(self.host, self.port, timeout=timeout) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password or "")
                say(server)
        except smtplib.SMTPException as error:
            refused = isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPNotSupportedError)
            why = one_line(redact(f"{self.host}: {type(error).__name__} {error}", [self.password]))
            raise _failed(self, why, "Check the mail server's settings.", again=not refused) from None
        except OSError as error:
            raise _failed(self, f"{self.host}:{self.port}: {error}", "Check that the mail server answers.") from None


@dataclass(frozen=True)
class Sns:
    """Publishes the alert to an SNS topic, with severity and system as attributes to filter by."""

    topic: str
    region: str | None = None
    endpoint: str | None = None

    @property
    def name(self) -> str:
        return f"sns:{self.topic.rpartition(':')[2]}"

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1})
        region = self.region or (self.topic.split(":")[3] if self.topic.count(":") >= 5 else None)
        return boto3.client("sns", region_name=region, endpoint_url=self.endpoint, config=config)

    def send(self, alert: Alert, timeout: float = TIMEOUT) -> None:
        self._call(
            "publish",
            Subject=one_line(alert.subject, 99).encode("ascii", "replace").decode(),  # SNS: ASCII, under 100 characters
            Message=alert.text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (("severity", alert.severity), ("system", alert.system), ("check", alert.check))
            },
        )

    def reach(self) -> None:
        self._call("get_topic_attributes")

    def _call(self, what: str, **arguments: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            getattr(self._client, what)(TopicArn=self.topic, **arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            again = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) >= 500 or "Thrott" in code
            raise _failed(self, f"{what}: {code}", "Check the topic's ARN and sns:Publish.", again=again) from None
        except BotoCoreError as error:
            why = one_line(redact(f"{what}: {error}"))
            raise _failed(self, why, "Check region, endpoint and credentials.") from None
