"""The faults of what is counted for a whole wallet, spooled, or waits for the ledger: money or a body would be lost."""

from __future__ import annotations

from tests.mutants.mutant import of

LEDGER = (
    "tests/payer/ledger/test_reserve.py",
    "tests/payer/ledger/test_append.py",
    "tests/payer/ledger/test_seller_caps.py",
)
ELSEWHERE = ("tests/payer/ledger/test_elsewhere.py",)
EVENTS = ("tests/payer/values/test_events.py", "tests/payer/buy/test_late_answers.py")


MUTANTS = (
    *of(
        "payer/settle/recover.py",
        ("tests/payer/settle/test_verify.py",),
        booked_by_another_process_and_not_told=(
            "    return done + [purchase for purchase in current if",
            "    return done + [purchase for purchase in current[:0] if",
        ),
    ),
    # The whole wallet: what other homes paid counts, once, and unknown is not zero.
    *of(
        "payer/ledger/caps.py",
        ELSEWHERE,
        elsewhere_not_added=("held = totals.get(limit.bucket, 0) + other", "held = totals.get(limit.bucket, 0)"),
    ),
    *of(
        "payer/ledger/reserve.py",
        ELSEWHERE,
        reserved_without_the_wallet=(
            "caps.check(limits, by.run, asset, seller, totals, amount, other)",
            "caps.check(limits, by.run, asset, seller, totals, amount)",
        ),
    ),
    *of(
        "payer/ledger/transfers.py",
        ELSEWHERE,
        own_purchases_counted_twice=(
            "Counted(at, pay_to, nonce, value - (held or 0))",
            "Counted(at, pay_to, nonce, value)",
        ),
        known_nonces_count_nothing=("        if value > (held or 0)\n", "        if held is None\n"),
        yesterday_is_today=("if each.at.date() == run.started_at.date()]", "]"),
        months_end_on_the_thirtieth=(
            "after = (first + timedelta(days=32)).replace(day=1)",
            "after = first + timedelta(days=30)",
        ),
        every_payee_is_the_sellers=("if payees is None or each.pay_to.lower() in payees)", ")"),
    ),
    *of(
        "payer/ledger/transfers.py",
        ELSEWHERE,
        exposed_money_taken_for_settled=("(table.c.money == Money.SPENT.value) & table.c.nonce", "table.c.nonce"),
        a_scan_that_begins_too_late=(
            "if kept is not None and kept.since <= scan.since and kept.through_block",
            "if kept is not None and kept.through_block",
        ),
        a_slower_process_takes_the_scan_back=(" & (scans.c.through_block < through)", ""),
        moved_transactions_counted_twice=(
            '    for tx_hash in {transfer["tx_hash"] for transfer in transfers}:\n'
            "        connection.execute(sa.delete(table).where(_of_wallet(table, key), table.c.tx_hash == tx_hash))\n",
            "",
        ),
    ),
    *of(
        "payer/elsewhere.py",
        ("tests/payer/elsewhere/test_count.py",),
        an_unread_chain_is_nothing_spent=(
            "            raise _unknown(error, period) from None\n",
            "            continue\n",
        ),
        blocks_that_are_not_final_closed=("min(blocks[-1], final)", "blocks[-1]"),
        the_count_holds_for_ever=("timedelta(0) <= now - counted[1] < FRESH", "True"),
        money_to_ourselves_is_spent=("if transfer.value and transfer.pay_to.lower() != wallet.lower()]", "]"),
    ),
    *of(
        "payer/chain/chain.py",
        ("tests/payer/elsewhere/test_count.py",),
        one_block_left_out=("min(start + blocks, last + 1))", "min(start + blocks, last))"),
    ),
    *of(
        "payer/elsewhere.py",
        ("tests/payer/elsewhere/test_first_block.py",),
        the_period_begins_later=("    return low + 1\n", "    return high + 1\n"),
    ),
    *of(
        "payer/ledger/append.py",
        ELSEWHERE,
        dearer_signatures_without_the_wallet=(
            "caps.check(own, after.run, after.asset, seller, totals, difference, other)",
            "caps.check(own, after.run, after.asset, seller, totals, difference)",
        ),
    ),
    *of(
        "payer/ledger/append.py",
        (
            *LEDGER,
            "tests/payer/ledger/test_freezes.py",
            "tests/payer/buy/test_loss_limit.py",
            "tests/payer/buy/test_changed_terms.py",
        ),
        stale_versions_written=("    if version != purchase.version:\n", "    if False:\n"),
        searches_not_updated=("rows.searched_by(after) == rows.searched_by(purchase)", "True"),
        caps_not_moved=("    if difference:\n        seller", "    if False:\n        seller"),
        raised_reservations_unchecked=("if limits is not None and difference > 0:", "if False:"),
    ),
    *of(
        "payer/ledger/refused_sellers.py",
        (
            *LEDGER,
            "tests/payer/ledger/test_freezes.py",
            "tests/payer/buy/test_loss_limit.py",
            "tests/payer/buy/test_changed_terms.py",
        ),
        frozen_and_signed=("    if signing:\n", "    if False:\n"),
        losses_not_looked_at=("    if seller_loss_limit is not None:\n", "    if False:\n"),
    ),
    *of(
        "payer/ledger/refused_sellers.py",
        ("tests/payer/buy/test_loss_limit.py", "tests/payer/buy/test_failed_deliveries.py"),
        failed_deliveries_are_no_loss=("at_risk = failed + lost + doubt", "at_risk = lost + doubt"),
        zero_is_no_limit=("threshold = max(limit, 1)", "threshold = limit or 10**30"),
        doubts_are_no_loss=("at_risk = failed + lost + doubt", "at_risk = failed + lost"),
    ),
    *of(
        "payer/ledger/database/queries.py",
        (
            *("tests/payer/ledger/test_freezes.py", "tests/payer/buy/test_freeze.py"),
            *("tests/payer/buy/test_loss_limit.py", "tests/payer/buy/test_failed_deliveries.py"),
        ),
        freezes_not_looked_for=("(*_frozen, _against_limit)", "(_against_limit,)"),
        a_freeze_of_all_not_looked_for=("for seller in (_every_seller, _this_seller)", "for seller in (_this_seller,)"),
    ),
    *of(
        "payer/ledger/database/schema.py",
        ("tests/payer/buy/test_loss_limit.py", "tests/payer/buy/test_failed_deliveries.py"),
        losses_not_looked_for=("sa.or_(purchases.c.in_doubt, purchases.c.undelivered,", "sa.or_(purchases.c.in_doubt,"),
        failed_deliveries_not_looked_for=("purchases.c.undelivered, purchases.c.failed)", "purchases.c.undelivered)"),
        doubts_not_looked_for=("sa.or_(purchases.c.in_doubt, ", "sa.or_("),
    ),
    *of(
        "payer/ledger/database/rows.py",
        ("tests/payer/ledger/test_migrations.py", "tests/payer/buy/test_loss_limit.py"),
        doubts_not_flagged=("p.at_risk and not p.undelivered", "False"),
        every_doubt_is_on_its_way=("p.at_risk and not p.undelivered", "p.money is Money.EXPOSED"),
        a_loss_in_doubt=("p.at_risk and not p.undelivered", "p.at_risk"),
    ),
    *of(
        "payer/values/purchase.py",
        ("tests/payer/ledger/test_migrations.py", "tests/payer/buy/test_loss_limit.py"),
        exposed_money_is_no_risk=("(Money.EXPOSED, Money.SPENT) and self.data", "(Money.SPENT,) and self.data"),
        spent_money_is_no_risk=("(Money.EXPOSED, Money.SPENT) and self.data", "(Money.EXPOSED,) and self.data"),
        a_delivery_at_risk=("Money.SPENT) and self.data is Data.ABSENT", "Money.SPENT)"),
    ),
    *of(
        "payer/ledger/database/migrations/versions/0008_fewer_indexes.py",
        ("tests/payer/ledger/test_migrations.py",),
        doubts_forgotten_at_the_upgrade=('    op.execute(f"UPDATE purchases', '    str(f"UPDATE purchases'),
    ),
    *of(
        "payer/ledger/database/migrations/versions/0009_doubts_after_an_answer.py",
        ("tests/payer/ledger/test_migrations.py",),
        every_doubt_forgotten=("if not _is_at_risk(json.loads(bytes(doc)))", ""),
        doubts_without_an_answer_forgotten=(' or bool(purchase.get("last_note"))', ""),
    ),
    *of(
        "payer/ledger/database/statements.py",
        ("tests/payer/ledger/test_kept_connection.py", "tests/payer/ledger/test_file_identity.py"),
        a_replaced_file_written_to=("                check_in_place(engine)\n", "                pass\n"),
        a_broken_connection_kept=("            if not ended:\n", "            if False:\n"),
        one_connection_for_two_threads=(
            "        if not self._busy.acquire(blocking=False):\n            return None\n",
            "",
        ),
    ),
    *of(
        "payer/ledger/database/engine.py",
        ("tests/payer/ledger/test_connect.py",),
        synchronous_normal=('"synchronous=FULL"', '"synchronous=NORMAL"'),
    ),
    *of(
        "payer/values/purchase.py",
        EVENTS,
        spent_counts_what_a_server_says=("return max(self.reserved, self.spent)", "return self.spent"),
        losses_accepted_while_settling=(
            "(self.undelivered or self.data is Data.DELIVERED) and not self.settling",
            "(self.undelivered or self.data is Data.DELIVERED)",
        ),
        burned_nonces_bought_again=("self.data is Data.ABSENT and not self.burned)", "self.data is Data.ABSENT)"),
    ),
    # The spool: a body that arrived is durable.
    *of(
        "payer/spool.py",
        ("tests/payer/buy/test_spool.py",),
        spool_without_fsync_of_the_folder=(
            "        fsync_path(self._folder)\n        return path",
            "        return path",
        ),
        damaged_spool_is_booked=("    if hashlib.sha256(body).hexdigest() != label.sha256:\n        return None\n", ""),
        a_second_body_replaces_the_first=("        if path.exists():\n            return path\n", ""),
    ),
    *of(
        "payer/values/durable.py",
        ("tests/payer/buy/test_spool.py",),
        spool_without_fsync_of_the_file=("        os.fsync(handle)\n", ""),
    ),
    # An answer that broke off: evidence, and no delivery.
    *of(
        "payer/buy/record.py",
        ("tests/payer/buy/test_broke_off.py",),
        half_a_body_is_a_delivery=(
            "    reading = read_failure(purchase, failed, context.clock.now())\n",
            '    begun = failed.begun or Answer(0, {}, b"", 0)\n'
            "    reading = read_answer(purchase, begun, context.clock.now())\n",
        ),
        half_an_answer_leaves_no_evidence=("    if failed.begun is None:\n", "    if True:\n"),
        half_an_answer_hides_that_it_broke_off=("replace(answered, broke_off=True)", "answered"),
        any_receipt_is_ours=('mismatch = "" if receipt is None else', 'mismatch = "" if True else'),
    ),
    *of(
        "payer/http/exchange.py",
        ("tests/payer/http/test_broke_off.py",),
        what_had_begun_is_forgotten=("self._begun() if self._status else None", "None"),
    ),
    # Waiting for the ledger: what arrives meanwhile is kept, and no commit is left half-known.
    *of(
        "payer/buy/record.py",
        ("tests/payer/buy/test_ledger_waits.py",),
        bodies_only_in_memory_while_it_waits=(
            "                await ledger.beside(self.spool)\n",
            "                pass\n",
        ),
        a_cancelled_wait_drops_the_body=("            self.spool()\n            if await", "            if await"),
        spooled_bodies_removed_unbooked=("            if await booking.give_up():\n", "            if True:\n"),
        ledger_asked_for_ever=(" or loop.time() >= until", ""),
    ),
    *of(
        "payer/ledger/ledger.py",
        ("tests/payer/buy/test_ledger_waits.py",),
        the_ledger_blocks_the_loop=("thread or LedgerThread())", "thread or LedgerThread(inline=True))"),
    ),
    *of(
        "payer/ledger/database/thread.py",
        ("tests/payer/ledger/test_thread.py",),
        what_has_begun_is_abandoned=("        while not self._ended.is_set():\n", "        while False:\n"),
        given_up_and_done_all_the_same=(
            "        if not self._future.set_running_or_notify_cancel():\n            return\n",
            "",
        ),
    ),
    *of(
        "payer/buy/send.py",
        ("tests/payer/buy/test_ledger_waits.py",),
        expired_payments_sent=(">= signed.valid_before", ">= signed.valid_before + 10**9"),
    ),
)
