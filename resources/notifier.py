"""NotifierResource: whom to tell of a failure. Channels are declared by configuration, several at once."""

from __future__ import annotations

from dagster import ConfigurableResource
from pydantic import Field
from pydantic.config import JsonDict

from billio_pipeline.errors import ConfigurationError
from resources.channels import Channel, Console, Smtp, Sns, Webhook
from resources.checkup import CheckUp, examine
from resources.redact import redact

SECRET: JsonDict = {"dagster__is_secret": True}

# The environment variable of each optional field. definitions.py passes EnvVar for those that are set: Dagster refuses
# to start a run with an EnvVar that isn't, and shows the variable's name where it would show a literal's value.
TEXT_VARIABLES = {
    "webhook_url": "BILLIO_ALERT_WEBHOOK_URL",
    "smtp_host": "BILLIO_ALERT_SMTP_HOST",
    "smtp_from": "BILLIO_ALERT_SMTP_FROM",
    "smtp_to": "BILLIO_ALERT_SMTP_TO",
    "smtp_user": "BILLIO_ALERT_SMTP_USER",
    "smtp_password": "BILLIO_ALERT_SMTP_PASSWORD",
    "sns_topic_arn": "BILLIO_ALERT_SNS_TOPIC_ARN",
    "sns_endpoint": "BILLIO_ALERT_SNS_ENDPOINT",
    "ui_url": "BILLIO_UI_URL",
}
INTEGER_VARIABLES = {"smtp_port": "BILLIO_ALERT_SMTP_PORT"}
BOOLEAN_VARIABLES = {
    "console": "BILLIO_ALERT_CONSOLE",
    "warnings": "BILLIO_ALERT_WARNINGS",
    "smtp_starttls": "BILLIO_ALERT_SMTP_STARTTLS",
}


class NotifierResource(ConfigurableResource):
    """The configured channels. Give secrets through EnvVar: a literal value would show in the UI's resource page."""

    console: bool = Field(default=True, description="Print alerts to the standard error of the sensor's process.")
    warnings: bool = Field(default=True, description="Alert for failed WARN checks too.")
    ui_url: str | None = Field(default=None, description="Address of the Dagster UI, for the link to the run.")
    webhook_url: str | None = Field(
        default=None, repr=False, json_schema_extra=SECRET, description="POSTed JSON goes here."
    )
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_starttls: bool = True
    smtp_user: str | None = None
    smtp_password: str | None = Field(default=None, repr=False, json_schema_extra=SECRET)
    smtp_from: str | None = None
    smtp_to: str | None = Field(default=None, description="Recipients, separated by commas.")
    sns_topic_arn: str | None = None
    sns_endpoint: str | None = Field(default=None, description="Endpoint URL. Unset: AWS.")

    def channels(self) -> list[Channel]:
        """The declared channels, the console first. Raises ConfigurationError for half a declaration."""
        channels: list[Channel] = [Console()] if self.console else []
        if self.webhook_url:
            channels.append(Webhook(self.webhook_url))
        if self.smtp_host:
            channels.extend(self._mail())
        if self.sns_topic_arn:
            channels.append(Sns(self.sns_topic_arn, endpoint=self.sns_endpoint))
        return channels

    def _mail(self) -> list[Channel]:
        recipients = [address.strip() for address in (self.smtp_to or "").split(",") if address.strip()]
        if not (self.smtp_host and self.smtp_from and recipients):
            raise ConfigurationError(
                "mail alerts have a host but no sender or no recipient",
                remedy="Set BILLIO_ALERT_SMTP_FROM and BILLIO_ALERT_SMTP_TO.",
            )
        return [
            Smtp(
                self.smtp_host,
                self.smtp_port,
                self.smtp_from,
                recipient,
                self.smtp_user,
                self.smtp_password,
                self.smtp_starttls,
            )
            for recipient in recipients
        ]

    @property
    def secrets(self) -> list[str | None]:
        """Values no message may hold."""
        return [self.webhook_url, self.smtp_password]

    def check(self) -> CheckUp:
        """Reaches every channel without sending an alert."""

        def ask() -> str:
            channels = self.channels()
            for channel in channels:
                channel.reach()
            return ", ".join(channel.name for channel in channels) or "no channel is configured"

        return examine(ask, what="notifier", remedy="Check the BILLIO_ALERT_… settings.", secrets=self.secrets)

    def __str__(self) -> str:
        return redact(repr(self), self.secrets)
