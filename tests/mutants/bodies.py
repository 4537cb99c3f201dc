"""The faults that would load a wrong value, or take a body that can't be used for a delivery: nobody would notice."""

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
            "        if isinstance(part, Ambiguous):\n            return",
            "        if False:\n            return",
        ),
        any_word_is_success=("return word in (_YES if wanted else _NO)", "return True"),
        any_status_is_success=("if not 200 <= status < 300:", "if False:"),
        keyed_rows_under_another_key=("if name in row and str(row[name]) != key:", "if False:"),
    ),
    *of(
        "sources/parse/json_text.py",
        PARSE,
        repeated_names_unnoticed=(
            "return Document(value) if _names_are_unique(text, value) else",
            "return Document(value) if True else",
        ),
        names_counted_across_blanks=("if any(pattern in text for pattern in _SPACED_COLONS):", "if False:"),
        last_name_wins=(
            "        if not names:\n            return found",
            "        if True:\n            return found",
        ),
        long_numbers_rounded=(
            "return value if value - value == 0 and Decimal(repr(value)) == exact else exact",
            "return value",
        ),
        long_numbers_overlooked=("return any(pattern in shape for pattern in _LONG)", "return False"),
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
        any_text_read_by_arrow=("_require(texts, _UTC_STAMPS)", "pass"),
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
        "payer/buy/judge_body.py",
        ("tests/payer/buy/test_failed_deliveries.py",),
        failed_bodies_not_booked=(
            "purchase, failure) if failure else purchase",
            "purchase, failure) if False else purchase",
        ),
    ),
)
