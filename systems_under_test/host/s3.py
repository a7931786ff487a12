"""An object store in a bucket of S3, or of whatever else speaks its protocol.

Account, region and address are the environment's, as for every program that uses `boto3`:
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from systems_under_test.host.objects import checked, seal, unseal
from systems_under_test.replica import ObjectAnswer

if TYPE_CHECKING:
    from systems_under_test.replica import ObjectRequest

CONNECT_S_MAX: Final = 5
ANSWER_S_MAX: Final = 20
TRIES_MAX: Final = 3
NAMES_MAX: Final = 100_000
_ABSENT: Final = ("NoSuchKey", "404")


def open_bucket(place: str) -> BucketStore:
    """The store at `s3://BUCKET/PREFIX`; nothing is asked of it yet. Raises ValueError."""
    parts = urlsplit(place)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{place}: an object store is a directory or s3://BUCKET/PREFIX")
    prefix = parts.path.strip("/")
    try:
        # By their names, so that an image of nodes does not take them along.
        boto3: Any = importlib.import_module("boto3")
        config: Any = importlib.import_module("botocore.config")
        exceptions: Any = importlib.import_module("botocore.exceptions")
    except ImportError as error:
        raise ValueError(f"{place} needs boto3: pip install lineal[s3] ({error})") from error
    settings = config.Config(
        connect_timeout=CONNECT_S_MAX,
        read_timeout=ANSWER_S_MAX,
        retries={"total_max_attempts": TRIES_MAX, "mode": "standard"},
    )
    failures = (ValueError, exceptions.BotoCoreError, exceptions.ClientError)
    try:
        client = boto3.client("s3", config=settings)
    except failures as error:
        raise ValueError(f"{place}: {error}") from error
    return BucketStore(client, failures, parts.netloc, f"{prefix}/" if prefix else "")


class BucketStore:
    """The objects of a bucket whose keys begin with a prefix. Threads may share its client."""

    def __init__(
        self, client: Any, failures: tuple[type[Exception], ...], bucket: str, prefix: str
    ) -> None:
        self._client = client
        self._failures = failures
        self._bucket = bucket
        self._prefix = prefix

    def perform(self, asked: ObjectRequest) -> ObjectAnswer:
        """Do what is asked; whatever goes wrong is an answer, never an exception."""
        try:
            return self._perform(asked)
        except self._failures as error:
            response = getattr(error, "response", None) or {}
            if response.get("Error", {}).get("Code") in _ABSENT:
                return ObjectAnswer(asked.verb, asked.name, "absent")
            return ObjectAnswer(asked.verb, asked.name, "failed", reason=str(error))

    def _perform(self, asked: ObjectRequest) -> ObjectAnswer:
        verb, name = asked.verb, asked.name
        if verb == "list":
            return ObjectAnswer(verb, name, "done", names=self._names(name))
        key = {"Bucket": self._bucket, "Key": self._prefix + checked(name)}
        if verb == "put":
            self._client.put_object(**key, Body=seal(name, asked.content))
        elif verb == "delete":
            self._client.delete_object(**key)
        else:
            content = unseal(name, self._client.get_object(**key)["Body"].read())
            if content is None:
                reason = f"s3://{self._bucket}/{key['Key']}: a bad checksum"
                return ObjectAnswer(verb, name, "damaged", reason=reason)
            return ObjectAnswer(verb, name, "done", content=content)
        return ObjectAnswer(verb, name, "done")

    def _names(self, prefix: str) -> tuple[str, ...]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        names: list[str] = []
        for page in pages:
            names += (each["Key"].removeprefix(self._prefix) for each in page.get("Contents", ()))
            if len(names) > NAMES_MAX:
                raise ValueError(
                    f"over {NAMES_MAX} objects below s3://{self._bucket}/{self._prefix}"
                )
        return tuple(sorted(names))
