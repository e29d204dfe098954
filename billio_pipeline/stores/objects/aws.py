"""AWS clients, one way for all: region, endpoint, retries, and errors that say what to do. boto3 is imported late."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from billio_pipeline.errors import BillioError, ConfigurationError, InputError, TransientError

# An embedded or self-hosted API takes any key; real AWS endpoints never get these.
_NO_ACCOUNT = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_ATTEMPTS = 5

_CREDENTIALS = {
    "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException",
    "InvalidToken", "MissingAuthenticationTokenException", "SignatureDoesNotMatch", "TokenRefreshRequired",
    "UnrecognizedClientException",
}  # fmt: skip
_DENIED = {"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled"}
_REGION = {"301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
_ABSENT = {"404", "ExportNotFoundException", "NoSuchBucket", "NoSuchKey", "ResourceNotFoundException"}
_BUSY = {
    "500", "503", "InternalError", "InternalServerError", "LimitExceededException",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ServiceUnavailable", "SlowDown", "Throttling",
    "ThrottlingException",
}  # fmt: skip


def aws_client(service: str, endpoint: str | None, region: str, **config: Any) -> Any:
    """A low-level boto3 client; `config` goes to botocore's Config. Connects to nothing yet."""
    import boto3
    import botocore.session
    from botocore.config import Config

    session = botocore.session.get_session()
    local = endpoint is not None and not (urlsplit(endpoint).hostname or "").endswith(".amazonaws.com")
    if local:
        # Not asked of a local API's caller: the credentials of the machine or container it runs on.
        for provider in ("container-role", "iam-role"):
            session.get_component("credential_provider").remove(provider)
    keys = _NO_ACCOUNT if local and _credentials(session) is None else {}
    # The user's own AWS_MAX_ATTEMPTS counts; botocore would let ours win.
    attempts = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"total_max_attempts": _ATTEMPTS}
    settings: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": {"mode": "standard"} | attempts,
    } | config
    with explained(f"{service} at {endpoint or region}"):
        return boto3.Session(botocore_session=session).client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            config=Config(**settings),
            **keys,
        )


def _credentials(session: Any) -> object | None:
    with explained("the AWS credentials"):
        return session.get_credentials()


@contextmanager
def explained(what: str, *, absent: str = "Check the name, the account and the region.") -> Iterator[None]:
    """Turn botocore's errors about `what` into ours. Others, and errors about our own use of it, pass."""
    from botocore import exceptions as aws

    try:
        yield
    except aws.ClientError as error:
        raise _answered(what, error, absent) from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError) as error:
        raise ConfigurationError(f"{what}: {error}", remedy=_SIGN_IN) from error
    except (aws.ProfileNotFound, aws.ConfigNotFound, aws.TokenRetrievalError, aws.SSOError) as error:
        raise ConfigurationError(f"{what}: {error}", remedy=_SIGN_IN) from error
    except (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.SSLError, aws.ProxyConnectionError) as error:
        raise ConfigurationError(f"{what} can't be reached: {error}", remedy=_REACH) from error
    except (aws.NoRegionError, aws.InvalidRegionError) as error:
        raise ConfigurationError(f"{what}: {error}", remedy="Set AWS_REGION, for example to eu-west-1.") from error
    except (aws.HTTPClientError, aws.ConnectionError) as error:
        raise TransientError(f"{what}: {error}") from error
    except (aws.ParamValidationError, ValueError) as error:
        # An endpoint or a bucket name that can't be one.
        raise ConfigurationError(f"{what}: {error}", remedy="Check the endpoint's URL and the names given.") from error


_SIGN_IN = "Sign in (aws sso login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
_REACH = "Check the endpoint's URL (BILLIO_S3_ENDPOINT, BILLIO_DYNAMODB_ENDPOINT) or AWS_REGION, and the network."


def _answered(what: str, error: Any, absent: str) -> BillioError:
    answer = error.response.get("Error", {})
    code, said = str(answer.get("Code", "")), str(answer.get("Message", ""))
    message = f"{what}: {code}" + (f", {said}" if said else "")
    if code in _CREDENTIALS:
        return ConfigurationError(message, remedy=_SIGN_IN)
    if code in _DENIED:
        operation = getattr(error, "operation_name", "this operation")
        return InputError(message, remedy=f"Grant this identity {operation} on it, or sign in as another.")
    if code in _REGION:
        return ConfigurationError(message, remedy="Set AWS_REGION to the region it is in.")
    if code in _ABSENT:
        return InputError(message, remedy=absent)
    if code in _BUSY:
        return TransientError(message)
    return InputError(message, remedy="Read what AWS says above, correct the request and try again.")
