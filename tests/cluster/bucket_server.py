"""An S3 server in a process of its own, which keeps what it holds in a folder: `python -m tests.cluster.bucket_server
FOLDER PORT`.

localbucket writes an object beside its place and renames it there: after a SIGKILL an object is whole or not there.
What it lacks for many writers is added here: it takes a body that was cut short for a whole one, knows `If-None-Match`
but neither `If-Match` nor DeleteObjects, and an object that is replaced while it is opened gets its successor's ETag.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from localbucket import S3_NAMESPACE, S3Error, S3Handler, object_etag

_WRITING = threading.Lock()


class Handler(S3Handler):
    """Conditional writes, and no object of half a body."""

    # Head and body of an answer are two small writes: with Nagle's algorithm the second waits 40 ms for the first.
    disable_nagle_algorithm = True

    def _read_body(self) -> bytes:
        body: bytes = super()._read_body()
        expected = self.headers.get("Content-Length")
        if "x-amz-decoded-content-length" in self.headers:
            expected = self.headers["x-amz-decoded-content-length"]
        elif "aws-chunked" in self.headers.get("Content-Encoding", ""):
            expected = None
        if expected is not None and len(body) != int(expected):
            raise S3Error(HTTPStatus.BAD_REQUEST, "IncompleteBody", "The body is not as long as Content-Length says.")
        return body

    def _write_object(self, bucket: str, key: str, write: Callable[[IO[bytes]], str]) -> str:
        expected = self.headers.get("If-Match")
        with _WRITING:
            if expected is not None:
                target = self._object_path(bucket, key)
                if not target.is_file() or object_etag(target) != expected.strip('"'):
                    raise self._precondition_failed_error()
            etag: str = super()._write_object(bucket, key, write)
            return etag

    def _delete_object(self, bucket: str, key: str) -> None:
        # It removes empty folders, in one of which another object may be about to be written.
        with _WRITING:
            super()._delete_object(bucket, key)

    def _post_request(self, bucket: str, key: str) -> None:
        if key or set(self.query) != {"delete"}:
            super()._post_request(bucket, key)
            return
        answer = ElementTree.Element("DeleteResult", xmlns=S3_NAMESPACE)
        for each in ElementTree.fromstring(self._read_body()).iterfind(".//{*}Key"):
            with _WRITING:
                self._object_path(bucket, each.text or "").unlink(missing_ok=True)
            ElementTree.SubElement(ElementTree.SubElement(answer, "Deleted"), "Key").text = each.text
        self._send_xml(answer)

    def _send_file(
        self, status: HTTPStatus, file: IO[bytes], start: int, length: int, headers: dict[str, str], body: bool
    ) -> None:
        if not _is_still_there(file):
            file.seek(0)
            headers["ETag"] = f'"{hashlib.file_digest(file, "md5").hexdigest()}"'
        super()._send_file(status, file, start, length, headers, body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _is_still_there(file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except FileNotFoundError:
        return False


class Server(ThreadingHTTPServer):
    """A client that was killed is no error of the server."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main(folder: str, port: str) -> None:
    """Serve the buckets of a folder, until the process is killed."""
    Handler.data_root = Path(folder).resolve()
    Server(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
