"""A lake holds exactly the published rows, written in one piece, whoever dies or writes beside it (I8)."""

from __future__ import annotations

import secrets
from typing import Any

from tests.object_storage import SECRET_KEY, S3Server
from tests.warehouse.lake.conftest import Scenario

FIRST = [[1, 70.5, 1], [2, 61.0, 1], [3, 12.25, 1]]
RESTATED = [[1, 71.0, 2], [2, 61.0, 1], [3, 12.25, 1], [4, 55.0, 2]]
WITHOUT_THE_THIRD = [RESTATED[0], RESTATED[1], RESTATED[3]]


def test_each_publication_is_written_whole_and_only_what_changed(three_publications: Any) -> None:
    said = three_publications
    assert said["rows"] == [FIRST, RESTATED, WITHOUT_THE_THIRD]
    assert said["differs"] == [[], [], []]
    first, second, third = said["changes"]
    assert first["grades"] == [3, 0, 3]
    assert second["grades"] == [4, 1, 2], "the restated key replaced, the new one added, two left alone"
    assert third["grades"] == [3, 1, 0], "a row that ended without a load is found by the digest"
    assert "costs" not in third
    assert said["again"] == [{}, True], "without a new publication there is no new snapshot"


def test_its_tables_are_those_with_rows_and_each_leads_to_its_transaction(three_publications: Any) -> None:
    said = three_publications
    assert said["names"] == [
        "grades", "grades_versions", "never_bought", "never_bought_versions", "costs", "provenance",
    ]  # fmt: skip
    assert {name for each in said["changes"] for name in each} == {
        "grades", "grades_versions", "costs", "provenance",
    }  # fmt: skip
    assert said["provenance"] == [["p1", 17000, "0x1"], ["p2", 17000, "0x2"]]
    assert said["comment"] == [["The grade, 0 to 100."]]


def test_an_earlier_publication_can_be_asked_for_and_is_named(three_publications: Any) -> None:
    said = three_publications
    assert said["earlier"] == FIRST
    [[author, message]] = said["message"]
    assert author == "tollbook"
    assert message.startswith("publication of 20")
    assert said["tidied"] is True


def test_a_process_killed_before_it_commits_leaves_the_lake_as_it_was(scenario: Scenario) -> None:
    assert scenario("killed") is None
    said = scenario("after_the_kill")
    assert said["before"] == FIRST
    assert said["rows"] == RESTATED
    assert said["changes"]["grades"] == [4, 1, 2]
    assert said["differs"] == []


def test_a_catalog_that_goes_away_in_a_write_is_told_and_nothing_of_the_write_is_seen(scenario: Scenario) -> None:
    said = scenario("catalog_gone")
    for moment in ("published_tables, away", "write_states, away"):
        assert said[moment]["error"] == "LakeUnreachable", moment
        assert "run it again" in said[moment]["advice"]
    assert said["write_states, back"] == {"rows": FIRST, "differs": []}, "it was written again"


def test_two_writers_at_once_leave_the_rows_once(scenario: Scenario) -> None:
    said = scenario("two_writers")
    assert said["second"]["grades"] == [4, 1, 2]
    assert said["first"] == {}, "it met the other's commit, looked again, and had nothing to do"
    assert said["rows"] == RESTATED
    assert said["differs"] == []
    assert said["states"] == 1


def test_what_somebody_changed_is_found_and_comes_back_by_a_thorough_write(scenario: Scenario) -> None:
    said = scenario("spoiled")
    for harm, name, change in (
        ("deleted", "grades", [3, 0, 1]),
        ("changed", "grades_versions", [3, 1, 1]),
        ("dropped", "costs", [1, 1, 1]),
    ):
        assert said[harm] == {"differs": [name], "quick": {}, "thorough": {name: change}, "after": []}


def test_a_page_is_inserted_without_a_look_at_rows_and_a_restatement_reads_its_parts_alone(scenario: Scenario) -> None:
    said = scenario("pages")
    state, *rest = said["reads"][1]
    assert state.startswith("SELECT lake_layout, tables")
    assert rest == ["DELETE FROM lake.tollbook_tables"]
    assert said["measured"][1] == [], "of no published table either, costs and provenance among them"
    assert said["changes"][1]["grades"] == [22, 0, 1]
    assert said["changes"][2]["grades"] == [22, 1, 1]
    assert [query for query in said["reads"][2] if 'lake."grades" p' in query and "IN (0, 3)" not in query] == []
    assert said["differs"] == [[], [], []]


def test_a_purchase_that_settles_later_is_replaced_in_costs_and_provenance_alone(scenario: Scenario) -> None:
    said = scenario("settles_later")
    assert said["after"] == {"costs": [1, 1, 1], "provenance": [1, 1, 1]}
    assert said["traced"] == [["0xf1"]]
    assert said["differs"] == []


def test_digests_that_are_missing_or_wrong_cost_a_comparison_and_no_row(scenario: Scenario) -> None:
    said = scenario("another_digest")
    assert said["changes"] == [[3, 0, 3], [4, 1, 2], [3, 1, 0], [3, 2, 2]]
    assert said["differs"] == [[], [], [], []]


def test_a_lake_of_an_older_layout_is_written_again(scenario: Scenario) -> None:
    said = scenario("older")
    assert said["rows"] == FIRST
    assert (said["changes"]["grades"], said["shown"], said["differs"]) == ([3, 0, 3], 1, [])


def test_a_lake_in_a_bucket_holds_the_same(scenario: Scenario, s3_server: S3Server, s3_url: str) -> None:
    said = scenario("first_write", TOLLBOOK_LAKE_DATA=s3_url, **s3_server.environment())
    assert said == {"rows": FIRST, "differs": []}


def test_a_bucket_that_is_not_there_leaves_the_lake_as_it_was(scenario: Scenario, s3_server: S3Server) -> None:
    bucket = f"late-{secrets.token_hex(4)}"
    env = {"TOLLBOOK_LAKE_DATA": f"s3://{bucket}/lake", **s3_server.environment()}
    said = scenario("first_write", **env)
    assert said["error"] == "LakeUnreachable"
    assert SECRET_KEY not in said["said"] + said["advice"]
    s3_server.request("PUT", bucket)
    assert scenario("first_write", **env) == {"rows": FIRST, "differs": []}
