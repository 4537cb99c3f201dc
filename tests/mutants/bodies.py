"""The faults that would load a wrong value, take a body that can't be used for a delivery, or buy a cell twice."""

from __future__ import annotations

from tests.mutants.mutant import of

PARSE = ("tests/sources/parse",)

MUTANTS = (
    *of(
        "sources/parse/envelope.py",
        (*PARSE, "tests/tasks/workspace/test_check_body.py"),
        any_object_is_a_row=("if dataset.layout is Layout.ROW:", "if True:"),
        ragged_columns=("if len({len(column) for column in columns}) > 1:", "if False:"),
        repeated_names_in_the_envelope=(
            "    for name in dataset.rows_path:\n        if isinstance(part, Ambiguous):",
            "    for name in dataset.rows_path:\n        if False:",
        ),
        any_word_is_success=("return word in (_YES if wanted else _NO)", "return True"),
        any_status_is_success=("if not 200 <= status < 300:", "if False:"),
        keyed_rows_under_another_key=("if name in row and str(row[name]) != key:", "if False:"),
    ),
    *of(
        "sources/parse/json_text.py",
        PARSE,
        repeated_names_unnoticed=(
            'return Document(value) if names == marks.count(b":") or _are_unique(text, names) else',
            "return Document(value) if True else",
        ),
        repeated_names_among_colons=('if names == marks.count(b":") or', 'if names <= marks.count(b":") or'),
        names_counted_across_blanks=("bare = text.translate(None, _WHITESPACE)", "bare = text"),
        last_name_wins=(
            "        if not names:\n            return found",
            "        if True:\n            return found",
        ),
        long_numbers_rounded=(
            "return value if value - value == 0 and Decimal(repr(value)) == exact else exact",
            "return value",
        ),
        long_numbers_overlooked=("if any(shape.rfind(long) >= 0 for long in _LONG) else", "if False else"),
        not_a_number_is_infinity=('if word == "NaN":', "if False:"),
    ),
    *of(
        "sources/parse/times.py",
        PARSE,
        the_day_before=("return found.date()", "return in_utc.date()"),
        any_offset_is_a_label=("if found.date() != in_utc.date() and found.time() != time():", "if False:"),
        small_numbers_are_times=("if FIRST * unit <= number < END * unit:", "if number < END * unit:"),
        days_as_numbers_are_seconds=("if 19_000_101 <= whole < 22_000_000:", "if False:"),
        digits_read_as_iso=("if _NUMBER.fullmatch(text) else _iso(text)", "if False else _iso(text)"),
        any_text_read_by_arrow=("if pc.all(pc.match_substring_regex(texts, pattern)).as_py() is False:", "if False:"),
    ),
    *of(
        "sources/parse/casts.py",
        PARSE,
        tiny_numbers_are_zero=("if number == 0 and value:", "if False:"),
        tiny_texts_are_zero=('if pc.any(pc.match_substring(texts, "e-", ignore_case=True)).as_py():', "if False:"),
        infinity_is_a_number=("    if not math.isfinite(number):\n        raise", "    if False:\n        raise"),
        whole_numbers_by_floats=("int(text) if _DIGITS.fullmatch(text) else _decimal(text)", "int(float(text))"),
        rounded_values_not_kept=("return math.isfinite(number) and Decimal(repr(number)) != value", "return False"),
    ),
    *of(
        "sources/parse/asked.py",
        PARSE,
        any_key_is_taken=("    if {str(value) for value in set(values)} <= asked:\n", "    if True:\n"),
        any_day_is_taken=(
            "begin, end = first * dataset.grain, (last + 1) * dataset.grain",
            "begin = first * dataset.grain",
        ),
        earlier_days_are_taken=("((begin is None or lowest >= begin) and highest < end)", "highest < end"),
    ),
    *of(
        "sources/parse/rows.py",
        PARSE,
        ambiguous_rows_are_taken=("if names := ambiguous_names(row):", "if names := ():"),
        broken_keys_are_taken=("if isinstance(value, str) and LOST in value:", "if False:"),
        unreadable_pages_are_answers=("    if rows and not table.num_rows:\n", "    if False:\n"),
    ),
    *of(
        "payer/buy/record.py",
        ("tests/payer/buy/test_failed_deliveries.py",),
        failed_bodies_not_booked=(
            "purchase, failure) if failure else purchase",
            "purchase, failure) if False else purchase",
        ),
    ),
    *of(
        "tasks/buy/overlaps.py",
        ("tests/tasks/buy/test_overlaps.py",),
        nobody_gives_way=(
            "return not only_reserved or rival.run.run_id < run_id or held >= _HOLD_SECONDS",
            "return False",
        ),
        only_the_smaller_run_id_gives_way=("rival.run.run_id < run_id", "rival.run.run_id > run_id"),
        what_is_on_its_way_is_bought_again=("return not only_reserved or", "return"),
        any_times_overlap_not=('if ours["first"] > theirs["last"] or theirs["first"] > ours["last"]:', "if True:"),
        any_keys_overlap_not=('return not set(ours["keys"]).isdisjoint(theirs["keys"])', "return False"),
        bought_while_another_waits=("await ws.in_thread(ws.payer.release, lost)", "pass"),
        dead_processes_are_waited_for=("if lease is None or is_gone(lease.owner):", "if lease is None:"),
        fresh_deliveries_overlooked=("    candidates += _delivered_since(ws)\n", ""),
        what_the_dead_sent_is_bought_beside_it=(
            "if q.money is not Money.RESERVED or is_live(ws, q)]",
            "if is_live(ws, q)]",
        ),
        what_the_dead_sent_is_never_recovered=("            await ws.payer.recover()\n", ""),
        ones_own_lease_is_waited_for=(" and lease.owner != ws.payer.context.owner\n", "\n"),
    ),
    *of(
        "payer/ledger/costs.py",
        ("tests/payer/ledger/test_avoided.py",),
        reruns_avoid_again=("if _due(entry) not in recorded]", "]"),
        editions_avoid_once=(
            'return entry["dataset"], entry["request"], entry["edition"]',
            'return entry["dataset"], entry["request"]',
        ),
    ),
    *of(
        "sources/planner/plan.py",
        ("tests/sources/planner/test_listings.py",),
        late_runs_buy_a_listing_each=("if is_listing(dataset) and last >= slot(dataset, at)", "if False"),
    ),
    *of(
        "tasks/buy/bill.py",
        ("tests/tasks/buy/test_bill.py",),
        listings_cost_what_is_listed=("if known is None or not line.may_grow or not prices:", "if True:"),
        other_lines_forgotten_in_the_caps=("cap.limit - cap.committed - others", "cap.limit - cap.committed"),
    ),
)
