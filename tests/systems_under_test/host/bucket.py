"""A server on loopback that speaks the protocol of S3, with one bucket."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """The server, with the empty bucket `archive`, and the environment by which it is reached."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        # All servers of one process share what they hold.
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        client().create_bucket(Bucket="archive")
        yield server
    finally:
        server.stop()


def client() -> Any:
    """What speaks to the server by itself."""
    return boto3.client("s3")
