"""The cover of delivered pages: held cells, for how long, and cells that a shift may have hidden."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import registry
from sources.coverage.cover import Coverage, CoveredSpan, absences_of, cover, held_cells
from sources.coverage.delivered_page import DeliveredPage
from sources.model import Dataset
from sources.planner.pieces import Group, Piece
from sources.slots import slot
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today

SIGNALS = registry.dataset("trading-signals")
GRADE = registry.dataset("tm-grade")
HOURLY = registry.dataset("hourly-trading-signals")
PAST = registry.dataset("moonshot-tokens-past")
TODAY = today(SIGNALS)
DAY = timedelta(days=1)
OLD = TODAY - 40


def group(
    count: int, first: int, last: int, *, edition: str = "final", dataset: Dataset = SIGNALS, limit: int = 100
) -> Group:
    bucket = last if edition == "final" else slot(dataset, AT)
    rows = count * (last - first + 1) if dataset.rows_per_cell else None
    return Group(dataset.name, edition, bucket, keys(count), first, last, limit, rows)


def page(own: Group, number: int, cells: list[tuple[str, int]], when: datetime = AT, **rest: bool) -> DeliveredPage:
    return DeliveredPage(own, number, when, len(cells), tuple(cells), **rest)


def known(found: Coverage) -> set[tuple[str, int, bool]]:
    return {(span.key, n, span.settled) for span in found.spans for n in range(span.first, span.last + 1)}


def lacking(found: Coverage) -> set[tuple[str, int]]:
    return {(span.key, n) for span in found.absent for n in range(span.first, span.last + 1)}


def newest_first(count: int, first: int, last: int) -> list[tuple[str, int]]:
    return [(key, number) for number in range(last, first - 1, -1) for key in keys(count)]


def test_what_was_asked_for_and_not_delivered_is_not_held() -> None:
    own = group(2, OLD, OLD + 2)
    found = cover(SIGNALS, [page(own, 1, [("3000", OLD)])])
    assert found.complete
    assert known(found) == {("3000", OLD, True)}
    assert lacking(found) == {(key, n) for key in keys(2) for n in range(OLD, OLD + 3)} - {("3000", OLD)}


def test_an_empty_answer_holds_nothing() -> None:
    found = cover(SIGNALS, [page(group(1, OLD, OLD), 1, [])])
    assert (known(found), lacking(found)) == (set(), {("3000", OLD)})


def test_a_row_is_held_for_good_once_it_has_settled() -> None:
    own = group(2, TODAY - 1, TODAY, edition="day:2026-11-22")
    found = cover(SIGNALS, [page(own, 1, [("3000", TODAY - 1), ("3000", TODAY)])])
    assert known(found) == {("3000", TODAY - 1, True), ("3000", TODAY, False)}
    assert lacking(found) == {("3001", TODAY - 1), ("3001", TODAY)}


def test_what_has_not_settled_holds_in_its_bucket_and_is_due_in_the_next() -> None:
    span = CoveredSpan("3000", TODAY, TODAY, TODAY, settled=False)
    held = {"3000": ((TODAY, TODAY),)}
    assert held_cells(SIGNALS, [span], AT).spans == held
    assert held_cells(SIGNALS, [span], AT - DAY).spans == held
    assert held_cells(SIGNALS, [span], AT + DAY).spans == {}
    assert held_cells(SIGNALS, [replace(span, settled=True)], AT + DAY).spans == held


def test_an_answer_that_came_late_is_as_fresh_as_the_day_it_came() -> None:
    own = group(1, TODAY, TODAY, edition="day:2026-11-22")
    found = cover(SIGNALS, [page(own, 1, [("3000", TODAY)], AT + DAY - timedelta(hours=8))])
    assert [(span.bucket, span.settled) for span in found.spans] == [(TODAY + 1, False)]


def test_a_snapshot_tells_of_the_slot_it_arrived_in() -> None:
    own = group(2, TODAY, TODAY, edition="day:2026-11-22", dataset=GRADE)
    found = cover(GRADE, [page(own, 1, [("3000", TODAY)], AT + DAY)])
    assert {(span.key, span.first, span.last) for span in found.spans} == {("3000", TODAY + 1, TODAY + 1)}
    assert lacking(found) == {("3001", TODAY + 1)}


@pytest.mark.parametrize("edition", ["final", "day:2026-11-22"])
def test_a_malformed_answer_is_not_bought_again_by_a_retry(edition: str) -> None:
    """I4: the body is kept; the same request would be the same purchase."""
    own = group(2, TODAY - 1, TODAY, edition=edition)
    found = cover(SIGNALS, [page(own, 1, [], readable=False)])
    assert found.complete
    asked = {key: [span for span in found.absent if span.key == key] for key in keys(2)}
    absences = {key: absences_of(SIGNALS, facts, ()) for key, facts in asked.items()}
    assert held_cells(SIGNALS, found.spans, AT, absences=absences).spans == dict.fromkeys(
        keys(2), ((TODAY - 1, TODAY),)
    )


def test_a_full_page_of_many_goes_on() -> None:
    own = group(13, OLD, OLD + 28)
    found = cover(SIGNALS, [page(own, 1, newest_first(13, OLD, OLD + 28)[:100])])
    assert found.open_group is not None
    assert (found.open_group.pages, found.open_group.ended) == ((1,), False)
    assert len(known(found)) == 100


def test_pages_that_fit_together_complete_their_group() -> None:
    own = group(13, OLD, OLD + 28)
    rows = newest_first(13, OLD, OLD + 28)
    answers = [page(own, n + 1, rows[n * 100 : n * 100 + 100]) for n in range(4)]
    found = cover(SIGNALS, answers[::-1])
    assert found.complete
    assert len(known(found)) == len(rows)


def test_pages_beyond_a_missing_one_wait_for_it() -> None:
    own = group(13, OLD, OLD + 28)
    rows = newest_first(13, OLD, OLD + 28)
    found = cover(SIGNALS, [page(own, 1, rows[:100]), page(own, 3, rows[200:300])])
    assert found.open_group is not None
    assert found.open_group.pages == (1,)
    assert cover(SIGNALS, [page(own, 2, rows[100:200])]) == Coverage(())


def test_a_row_inserted_between_pages_is_noticed() -> None:
    """It pushes another row onto the next page a second time, and is itself on none."""
    own = group(13, OLD, OLD + 28)
    rows = newest_first(13, OLD, OLD + 28)
    hidden = rows.pop(40)
    before = rows[:100]
    rows.insert(40, hidden)
    answers = [page(own, 1, before), *(page(own, n + 1, rows[n * 100 : n * 100 + 100]) for n in range(1, 4))]
    found = cover(SIGNALS, answers)
    assert found.possibly_hidden == (hidden,)
    assert found.open_group is not None
    assert found.open_group.ended
    assert len(known(found)) == len(rows) - 1


def test_a_row_taken_out_between_pages_is_noticed() -> None:
    """The row that slipped over the boundary has neighbours on both sides."""
    own = group(13, OLD, OLD + 28)
    rows = newest_first(13, OLD, OLD + 28)
    before, slipped = rows[:100], rows[100]
    del rows[40]
    answers = [page(own, 1, before), *(page(own, n + 1, rows[n * 100 : n * 100 + 100]) for n in range(1, 4))]
    assert cover(SIGNALS, answers).possibly_hidden == (slipped,)


def test_tokens_listed_late_raise_no_doubt_at_page_boundaries() -> None:
    own = group(13, OLD, OLD + 28)
    rows = [cell for cell in newest_first(13, OLD, OLD + 28) if cell[1] >= OLD + int(cell[0][-1])]
    answers = [page(own, n + 1, rows[n * 100 : n * 100 + 100]) for n in range(-(-len(rows) // 100))]
    found = cover(SIGNALS, answers)
    assert found.complete
    assert found.possibly_hidden == ()


def test_a_page_listed_token_by_token_is_doubted_only_next_to_its_edge() -> None:
    own = group(13, OLD, OLD + 28)
    rows = sorted(newest_first(13, OLD, OLD + 28))
    slipped = rows.pop(100)
    answers = [page(own, n + 1, rows[n * 100 : n * 100 + 100]) for n in range(4)]
    assert cover(SIGNALS, answers).possibly_hidden == (slipped,)


def test_doubt_ends_at_the_row_that_came_twice() -> None:
    """Keys of one day come in the order the pages show: what sorts below the repeated row was not hidden."""
    own = group(13, OLD, OLD + 28)
    listed = [cell for cell in newest_first(13, OLD, OLD + 28) if cell[0] not in ("3001", "3012") or cell[1] > OLD + 23]
    answers = [page(own, 1, listed[:100]), page(own, 2, listed[99:199]), page(own, 3, listed[199:299])]
    answers.append(page(own, 4, listed[299:]))
    found = cover(SIGNALS, answers)
    key, day = listed[99]
    assert key not in ("3000", "3012")
    assert {cell for cell in found.possibly_hidden if cell[1] < OLD + 24} == {
        *((late, number) for late in ("3001", "3012") for number in range(day + 1, OLD + 24)),
        ("3001", day),
    }


def test_doubt_is_over_once_the_hidden_row_was_found_elsewhere() -> None:
    own = group(13, OLD, OLD + 28)
    rows = newest_first(13, OLD, OLD + 28)
    hidden, absent = rows.pop(40), rows.pop(60)
    answers = [page(own, 1, rows[:100])]
    rows.insert(40, hidden)
    answers += [page(own, n + 1, rows[n * 100 : n * 100 + 100]) for n in range(1, 4)]
    assert cover(SIGNALS, answers).possibly_hidden == tuple(sorted((hidden, absent)))
    found = cover(SIGNALS, answers, elsewhere={hidden})
    assert found.complete
    assert (len(known(found)), lacking(found)) == (13 * 29 - 2, {hidden, absent})


def test_a_snapshot_listing_that_shifted_is_asked_for_once_more() -> None:
    investors = registry.dataset("crypto-investors")
    here = today(investors)
    own = Group(investors.name, "7d:2026-11-19", here, ("*",), here, here, 100, None)
    names = [(str(number), 0) for number in range(250)]
    answers = [page(own, 1, names[:100]), page(own, 2, names[99:199]), page(own, 3, names[199:])]
    found = cover(investors, answers)
    assert found.open_group is not None
    assert (found.open_group.pages, found.open_group.ended, found.spans) == ((1,), True, ())
    again = replace(own, edition=f"{own.edition}+again", rows=100)
    assert cover(investors, [page(again, 1, names[:100])]).complete


def test_a_listing_that_grows_at_its_top_is_not_asked_for_again() -> None:
    """Rows that came on top while it was read are on tomorrow's first page."""
    own = Group(PAST.name, "day:2026-11-22", TODAY, ("*",), TODAY, TODAY, 100, None)
    picks = [(str(number), 0) for number in range(150)]
    assert cover(PAST, [page(own, 1, picks[:100]), page(own, 2, picks[99:])]).complete


def test_a_repeated_row_in_one_full_page_does_not_pass_for_the_missing_one() -> None:
    own = group(10, OLD, OLD + 9)
    rows = newest_first(10, OLD, OLD + 9)
    found = cover(SIGNALS, [page(own, 1, [*rows[:99], rows[0]])])
    assert found.open_group is not None
    assert not found.open_group.ended


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_comes_while_a_listing_is_read_is_seen_in_the_end(data: st.DataObject) -> None:
    """Rows inserted before the last page are found again with at most one call each."""
    cells = dense(keys(13), TODAY - 32, TODAY - 4)
    late = data.draw(st.lists(st.sampled_from(sorted(cells)), max_size=3, unique=True))
    arriving = list(late)

    def insert(market: SellerListing, piece: Piece) -> None:
        inside = [cell for cell in arriving if cell[0] in piece.keys and piece.first <= cell[1] <= piece.last]
        if inside and piece.page < piece.group.pages:
            market.rows.add(inside[0])
            arriving.remove(inside[0])

    buyer = Buyer(SellerListing(SIGNALS, cells - set(late), between=insert))
    billed = buyer.plan(keys(13), TODAY - 32, TODAY - 4).calls
    paid = buyer.fill(keys(13), TODAY - 32, TODAY - 4)
    seen = {cell for answers in buyer.answers.values() for answer in answers for cell in answer.cells}
    assert seen >= cells - set(arriving)
    assert paid <= billed + len(late)


def test_a_listing_without_dates_is_known_back_to_the_oldest_row_seen() -> None:
    here = today(HOURLY)
    own = Group(HOURLY.name, "hour:2026-11-22T09", here, keys(2), here - 80, here, 100, 162)
    rows = newest_first(2, here - 80, here)[:100]
    found = cover(HOURLY, [page(own, 1, rows)])
    assert found.open_group is not None
    assert {(span.key, span.first) for span in found.spans if span.first < here - 1} == {
        ("3000", here - 49),
        ("3001", here - 49),
    }


def test_a_token_without_rows_in_a_listing_is_known_when_the_listing_ends() -> None:
    here = today(HOURLY)
    own = Group(HOURLY.name, "hour:2026-11-22T09", here, keys(2), here - 5, here, 100, 12)
    found = cover(HOURLY, [page(own, 1, [("3000", here - n) for n in range(6)])])
    assert found.complete
    assert {key for key, _, _ in known(found)} == {"3000"}
    assert lacking(found) == {("3001", here - n) for n in range(6)}


def test_a_token_without_rows_in_a_listing_is_absent_once_older_rows_were_seen() -> None:
    here = today(HOURLY)
    own = Group(HOURLY.name, "hour:2026-11-22T09", here, keys(3), here - 24, here, 100, 75)
    rows = [cell for cell in newest_first(3, here - 60, here) if cell[0] != "3002"][:100]
    found = cover(HOURLY, [page(own, 1, rows)])
    assert found.complete
    assert {(span.key, span.first) for span in found.spans if span.first < here - 7} == {
        (key, here - 24) for key in keys(2)
    }
    assert lacking(found) == {("3002", number) for number in range(here - 24, here + 1)}


def test_a_token_without_rows_is_unknown_where_a_listing_is_not_in_order_of_time() -> None:
    here = today(HOURLY)
    own = Group(HOURLY.name, "hour:2026-11-22T09", here, keys(3), here - 24, here, 100, 75)
    rows = [("3000", here - n) for n in range(50)] + [("3001", here - n) for n in range(50)]
    found = cover(HOURLY, [page(own, 1, rows)])
    assert found.open_group is not None
    assert {span.key for span in found.spans} == {"3000", "3001"}


@pytest.mark.parametrize("name", ["tm-grade", "quantmetrics"])
def test_a_snapshot_with_a_row_of_every_token_has_no_further_page(name: str) -> None:
    """Also where the newest figures bear yesterday's date."""
    dataset = registry.dataset(name)
    own = group(100, TODAY, TODAY, edition="day:2026-11-22", dataset=dataset)
    assert cover(dataset, [page(own, 1, [(key, TODAY - 1) for key in keys(100)])]).complete


def test_a_snapshot_page_full_of_second_rows_goes_on() -> None:
    own = group(100, TODAY, TODAY, edition="day:2026-11-22", dataset=GRADE)
    rows = [(key, number) for key in keys(50) for number in (TODAY, TODAY - 1)]
    assert cover(GRADE, [page(own, 1, rows)]).open_group is not None


def test_a_listing_that_grows_at_its_top_is_read_down_to_what_is_known() -> None:
    own = Group(PAST.name, "day:2026-11-22", TODAY, ("*",), TODAY, TODAY, 100, None)
    rows = [("*", n) for n in range(100)]
    assert cover(PAST, [page(own, 1, rows)]).open_group is not None
    assert cover(PAST, [page(own, 1, rows, known=True)]).complete


def test_a_listing_worth_one_page_ends_there() -> None:
    top = registry.dataset("top-market-cap-tokens")
    own = Group(top.name, "day:2026-11-22", TODAY, ("*",), TODAY, TODAY, 100, None)
    assert cover(top, [page(own, 1, [("*", n) for n in range(100)])]).complete
