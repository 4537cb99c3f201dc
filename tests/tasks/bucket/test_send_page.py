"""The report's page on object storage: for a browser, and only from the home that publishes there."""

from __future__ import annotations

from pathlib import Path

from obstore.store import from_url

from tasks.report.write import publish_report
from tests.tasks.bucket.test_publish_remote import empty_home, home, in_home, sending

__all__ = ["empty_home", "home"]


def test_the_page_goes_where_the_publication_is_and_a_browser_shows_it(home: Path, s3_url: str) -> None:
    assert "not sent: nothing is published at" in in_home(home, s3_url, publish_report)
    assert sending(home, s3_url).problem is None
    assert in_home(home, s3_url, publish_report).endswith(f"; {s3_url}/report/index.html")
    sent = from_url(s3_url, client_options={"allow_http": True}).get("report/index.html")
    assert sent.attributes["Content-Type"] == "text/html; charset=utf-8"
    assert bytes(sent.bytes()) == (home / "published" / "report" / "index.html").read_bytes()
    assert sending(home, s3_url).unchanged


def test_another_homes_page_is_not_replaced(home: Path, s3_url: str) -> None:
    assert sending(home, s3_url).problem is None
    (home / "state" / "publisher").unlink()
    assert "not sent: the home" in in_home(home, s3_url, publish_report)


def test_a_folder_takes_the_page_and_a_wrong_address_is_a_sentence(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    assert sending(home, f"file://{folder}").problem is None
    in_home(home, f"file://{folder}", publish_report)
    assert (folder / "report" / "index.html").read_text("utf-8").startswith("<!doctype html>")
    assert "not sent: s4:// is no scheme" in in_home(home, "s4://bucket/x", publish_report)
    assert in_home(home, "", publish_report).startswith("report page: ")
