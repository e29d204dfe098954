"""ObjectStoreResource: where exports are read and written: a local folder or S3."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dagster import ConfigurableResource
from pydantic import Field

from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings
from resources.checkup import CheckUp, examine

if TYPE_CHECKING:
    from dagster_aws.s3 import S3Resource

    from billio_pipeline.stores.objects import ObjectStore


class ObjectStoreResource(ConfigurableResource):
    """Opens folders and S3 prefixes. Credentials come from the AWS credential chain, never from configuration."""

    location: str | None = Field(default=None, description="Folder or s3://bucket/prefix used when none is named.")
    endpoint: str | None = Field(default=None, description="S3 endpoint URL. Unset: BILLIO_S3_ENDPOINT, else AWS.")
    region: str | None = Field(default=None, description="AWS region. Unset: AWS_REGION or AWS_DEFAULT_REGION.")

    def settings(self) -> Settings:
        """The environment's settings with this resource's own configuration in front."""
        settings = Settings.from_env()
        return replace(
            settings, s3_endpoint=self.endpoint or settings.s3_endpoint, region=self.region or settings.region
        )

    def s3(self) -> S3Resource:
        """dagster-aws' S3 resource with the same endpoint and region, for code that wants a plain client."""
        from dagster_aws.s3 import S3Resource

        settings = self.settings()
        host = urlsplit(settings.s3_endpoint or "").hostname
        keys: dict[str, str] = {}
        if host and not host.endswith(".amazonaws.com") and "AWS_PROFILE" not in os.environ:
            # an embedded or self-hosted API takes any key; real AWS endpoints never get these
            keys["aws_access_key_id"] = os.environ.get("AWS_ACCESS_KEY_ID", "local")
            keys["aws_secret_access_key"] = os.environ.get("AWS_SECRET_ACCESS_KEY", "local")
        return S3Resource.model_validate({"endpoint_url": settings.s3_endpoint, "region_name": settings.region, **keys})

    def open(self, location: str | Path | None = None) -> ObjectStore:
        """The store at `location`, or at the configured one. Raises InputError when neither is given."""
        from billio_pipeline.stores.objects import open_store

        location = location or self.location
        if not location:
            raise InputError("no location was given", remedy="Name a folder or s3://bucket/prefix.")
        return open_store(location, self.settings())

    def check(self, location: str | Path | None = None) -> CheckUp:
        """Lists one object at the location; for S3 without one, asks whether the endpoint lets us list buckets."""

        def ask() -> str:
            if not (location or self.location):
                buckets = self.s3().get_client().list_buckets()["Buckets"]
                return f"S3 answers, {len(buckets)} buckets visible"
            store = self.open(location)
            folder = str(location or self.location).removeprefix("file://")
            if "://" not in folder and not Path(folder).expanduser().is_dir():
                raise InputError(f"{store.uri} is not a folder", remedy="Create the folder or name another one.")
            found = next(islice(store.list(), 1), None)
            return f"{store.uri}: answers, {'holds objects' if found else 'is empty'}"

        return examine(
            ask,
            what="object store",
            remedy="Check the location, BILLIO_S3_ENDPOINT, AWS_REGION, the credentials and the bucket's name.",
        )
