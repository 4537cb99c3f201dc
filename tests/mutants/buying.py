"""The faults of buying, policy, asking again and the books: too much would be paid, or told wrongly."""

from __future__ import annotations

from tests.mutants.mutant import of

RULES = ("tests/payer/policy/test_offer_rules.py", "tests/payer/policy/test_judge.py")


MUTANTS = (
    # Buying: releases, leases, prices.
    *of(
        "payer/buy/buy.py",
        (
            *("tests/payer/buy/test_buy.py", "tests/payer/buy/test_quote.py", "tests/payer/settle/test_recover.py"),
            "tests/payer/buy/test_changed_terms.py",
        ),
        release_ignores_leases=(
            "p.money is Money.RESERVED and not leased_elsewhere(context, p)",
            "p.money is Money.RESERVED",
        ),
        signed_after_a_stop=(
            "terms_to_sign(context, purchase)\n                        context.stop.check()\n",
            "terms_to_sign(context, purchase)\n",
        ),
    ),
    *of(
        "payer/buy/quote.py",
        ("tests/payer/buy/test_quote.py", "tests/payer/buy/test_changed_terms.py"),
        kept_quotes_beyond_the_ceiling=(
            "min(ceiling, order.price_cap if order.price_cap is not None else ceiling)",
            "ceiling",
        ),
        kept_quotes_of_another_payee=("if kept.terms.pay_to not in payees and not seller.any_payee:", "if False:"),
        terms_without_the_datasets_ceiling=("        order_cap=order.price_cap,\n", ""),
    ),
    *of(
        "payer/http/exchange.py",
        ("tests/payer/buy/test_quote.py",),
        terms_of_half_a_delivery=("begun.status == 402 and TERMS_HEADER", "TERMS_HEADER"),
        half_a_body_for_terms=("begun.status == 402 and TERMS_HEADER in begun.headers", "begun.status == 402"),
    ),
    *of(
        "payer/buy/changed_terms.py",
        ("tests/payer/buy/test_changed_terms.py", "tests/payer/buy/test_freeze.py", "tests/payer/buy/test_quote.py"),
        another_asset_signed=(
            " or offered.asset != purchase.asset:\n        return purchase",
            ":\n        return purchase",
        ),
        another_asset_for_any_payee=("offered is None or offered.asset != purchase.asset or", "offered is None or"),
        signed_again_without_caps=("event, lease=lease, caps=context.policy.caps)", "event, lease=lease)"),
    ),
    *of(
        "payer/stop.py",
        ("tests/payer/test_stop.py",),
        answers_abandoned_when_one_call_fails=("return_exceptions=True", "return_exceptions=False"),
    ),
    *of(
        "tasks/buy/purchase.py",
        ("tests/tasks/buy/test_purchase.py",),
        calls_begun_with_the_ledger_gone=("        if self.stopped or endpoint in", "        if endpoint in"),
    ),
    *of(
        "tasks/ops/accept_loss.py",
        ("tests/tasks/ops/test_accept_loss.py",),
        losses_accepted_before_they_are_final=("    if purchase.settling:\n", "    if False:\n"),
        losses_accepted_before_they_are_proved=("        if purchase.money is Money.EXPOSED:\n", "        if False:\n"),
        failed_deliveries_never_accepted=(", *ws.ledger.failed_deliveries())}", ",)}"),
        deliveries_accepted_as_lost=("    elif not (purchase.undelivered or purchase.burned):", "    elif False:"),
    ),
    # Policy: nothing is signed outside it.
    *of(
        "payer/policy/judge.py",
        RULES,
        any_scheme=('if offer.scheme == "exact":', "if True:"),
        any_asset=("if offer.asset.lower() == self.asset.address.lower():", "if True:"),
        any_network=("return None if offer.network == allowed else", "return None if True else"),
        any_transfer_method=('if method not in (None, "eip3009"):', "if False:"),
        any_payment_flow=('if flow not in (None, "authorization"):', "if False:"),
        another_domain_name=("if name is not None and name not in names:", "if False:"),
        paid_to_nobody=("if payee in (ZERO_ADDRESS, self.asset.address, self.payer):", "if False:"),
        payee_not_listed=("if self.seller.pay_to and payee not in self.seller.pay_to:", "if False:"),
        payee_not_pinned=("if not self.seller.pay_to and self.pinned_pay_to is not None and", "if False and"),
        any_price=("            if offer.amount > limit:\n", "            if False:\n"),
        any_timeout=("if 1 <= offer.max_timeout <= highest:", "if True:"),
        approvals_signed=("            if name in challenge.extensions:\n", "            if False:\n"),
    ),
    *of(
        "payer/policy/price_drift.py",
        ("tests/payer/policy/test_price_drift.py",),
        prices_climb=(
            "return min(over_base, max(base, _over(max(recent), drift))) if recent else over_base",
            "return _over(max(recent), drift) if recent else over_base",
        ),
        promotions_lock_out=("max(base, _over(max(recent), drift))", "_over(max(recent), drift)"),
    ),
    *of(
        "payer/policy/judge.py",
        ("tests/payer/policy/test_still_allowed.py",),
        removed_payees_presented=(
            "if not seller.any_payee and payment.pay_to.lower() not in",
            "if False and payment.pay_to.lower() not in",
        ),
        lowered_caps_presented=("    if amount > caps.per_call:\n", "    if False:\n"),
    ),
    # Asking again: what was not delivered is asked for a bounded number of times, and never twice in one bucket.
    *of(
        "sources/coverage/cell_state.py",
        (
            "tests/sources/coverage/test_cell_state.py",
            "tests/sources/planner/test_plan.py",
            "tests/sources/planner/test_runs.py",
        ),
        asked_for_ever=("if len(believed) > dataset.asked_again or", "if"),
        asked_daily=("max(last.bucket + 1, believed[-1] + pause(len(believed)))", "last.bucket + 1"),
        asked_at_once=("max(last.bucket + 1, believed[-1] + pause(len(believed)))", "last.bucket"),
        failed_deliveries_bought_again=("    if last.failed:\n", "    if False:\n"),
        answers_of_one_day_counted=("lo=place + 1)", "lo=place + 1) and place + 1"),
    ),
    *of(
        "sources/planner/demand.py",
        ("tests/sources/planner/test_again.py",),
        asked_again_without_a_day=(
            'return f"{edition}+again-{at:%Y-%m-%d}"',
            'return f"{edition}+again-{at:%H:%M:%S.%f}"',
        ),
        asked_again_in_a_bought_edition=(
            "return again_edition(FINAL if closed else self._live, self.at), self._bucket",
            "return FINAL, last",
        ),
        not_delivered_asked_as_final=("if closed and not self._was_asked(keys, first, last):", "if closed:"),
    ),
    *of(
        "sources/planner/plan.py",
        ("tests/sources/planner/test_again.py",),
        complete_groups_asked_again=("if group.id not in held.complete]", "if group.id]"),
    ),
    # The plan: a day is not paid for in both series while it moves, and not left to its snapshot once it has settled.
    *of(
        "tasks/buy/plan.py",
        ("tests/tasks/buy/test_plan.py",),
        snapshots_stand_for_settled_days=("unsettled = last_settled(dataset, request.at) + 1", "unsettled = 0"),
        today_is_bought_twice=(
            "unsettled = last_settled(dataset, request.at) + 1",
            "unsettled = slot(dataset, request.at) + 1",
        ),
    ),
    # The books: what was spent is told, to the unit, and losses with it.
    *of(
        "payer/ledger/costs.py",
        ("tests/payer/ledger/test_totals.py",),
        losses_not_summed=("losses[asset] += one.loss", "losses[asset] += 0"),
    ),
    *of(
        "warehouse/publish/views/money.py",
        ("tests/warehouse/publish/views/test_money.py", "tests/warehouse/publish/test_costs.py"),
        units_left_over_lost=("+ (coalesce(before, 0) < whole % rows)::INTEGER", ""),
        left_over_shared_twice=("least(left_over, {last}) - least(left_over, {first})", "least(left_over, {last})"),
        money_without_a_row_left_out=("FROM priced WHERE rows = 0 AND whole > 0", "FROM priced WHERE false"),
    ),
    *of(
        "warehouse/exports/accounting.py",
        ("tests/warehouse/publish/test_costs.py",),
        balance_forgets_the_month_before=("        balance += spent\n", ""),
        balance_forgets_what_was_before_the_range=(
            "balance = sum(_spent(row) for row in rows if during.is_after(_when(row)))",
            "balance = 0",
        ),
        pending_counted_as_spent=("return row.amount_atomic if row.money == _SPENT else 0", "return row.amount_atomic"),
    ),
    # Many workers over one ledger: one publisher, one pace, and rows that arrive late are not missed.
    *of(
        "payer/ledger/workers.py",
        ("tests/payer/ledger/workers/test_publisher.py",),
        two_publishers_at_once=(
            "if connection.execute(_LOCK).scalar():",
            "if connection.execute(_LOCK).scalar() in (True, False):",
        ),
        oldest_request_forgotten=("THEN publications.wanted_at", "THEN excluded.wanted_at"),
    ),
    *of(
        "payer/ledger/workers.py",
        ("tests/payer/ledger/workers/test_pace.py",),
        every_worker_gets_the_slot=("WHERE paces.next_at <= {SERVER_TIME} OR", "WHERE true OR"),
        a_pause_is_told_to_nobody=("{SERVER_TIME} + :pause)", "{SERVER_TIME} + 0 * :pause)"),
    ),
    *of(
        "tasks/buy/publish.py",
        ("tests/tasks/buy/test_publish.py",),
        publisher_of_another_place=("if not take_over and not is_here(ws, last):", "if False:"),
        publication_that_nobody_is_told_of=("        await ws.in_thread(elected.record, ticket, place, seq)\n", ""),
    ),
    *of(
        "warehouse/cache/generation.py",
        ("tests/warehouse/publish/test_take_over.py",),
        late_rows_left_out_when_taking_over=("row(observed_at, seq) < ({newest})", "false AND seq < ({newest})"),
    ),
    # The report: its amounts are those of the ledger to the last digit, and a seller's words are never markup.
    *of(
        "tasks/request/counted.py",
        ("tests/tasks/report/test_page.py",),
        report_rounds_sums=("localcontext(prec=200)", "localcontext(prec=28)"),
    ),
    *of(
        "tasks/report/page.py",
        ("tests/tasks/report/test_page.py",),
        report_takes_names_for_markup=("autoescape=True", "autoescape=False"),
    ),
)
