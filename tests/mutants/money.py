"""The faults that would cost money or lose what was paid for, room by room."""

from __future__ import annotations

from tests.mutants.mutant import of

DECIDE = ("tests/payer/buy/test_decide.py", "tests/payer/buy/test_lying_servers.py", "tests/payer/buy/test_buy.py")
LEDGER = (
    "tests/payer/ledger/test_reserve.py",
    "tests/payer/ledger/test_append.py",
    "tests/payer/ledger/test_seller_caps.py",
)
ELSEWHERE = ("tests/payer/ledger/test_elsewhere.py",)
IDENTITY = ("tests/payer/values/test_identity_vectors.py",)
EVENTS = ("tests/payer/values/test_events.py", "tests/payer/buy/test_late_answers.py")
RULES = ("tests/payer/policy/test_offer_rules.py", "tests/payer/policy/test_judge.py")


MUTANTS = (
    # Identity: a key or nonce that moves pays for held pieces again.
    *of(
        "payer/values/identifiers.py",
        IDENTITY,
        unsorted_params=("sorted(request.params, key=lambda pair: pair[0])", "list(request.params)"),
        params_sorted_by_value=("key=lambda pair: pair[0]", "key=lambda pair: pair[1]"),
        edition_left_out=('        "edition": edition,\n', ""),
        body_left_out=('        "body": hashlib.sha256(request.body).hexdigest(),\n', ""),
        method_as_written=('"method": request.method.upper()', '"method": request.method'),
        nonce_without_generation=('        + generation.to_bytes(8, "big")\n', ""),
        nonce_without_chain=('asset.chain_id.to_bytes(32, "big")', '(0).to_bytes(32, "big")'),
    ),
    *of(
        "payer/wallet/eip3009.py",
        (*IDENTITY, "tests/payer/wallet/test_eip3009.py"),
        another_nonce_secret=('b"tollbook nonce secret v1"', 'b"tollbook nonce secret v2"'),
        another_payers_authorization=("if authorization.payer != address:", "if False:"),
        worthless_value=("if not 1 <= authorization.value <= UINT256_MAX:", "if False:"),
        endless_window=("not 0 < window <= MAX_WINDOW_SECONDS", "not 0 < window"),
    ),
    # What was pasted in place of a key is never quoted.
    *of(
        "payer/environment/pasted.py",
        ("tests/payer/environment/test_pasted.py", "tests/payer/policy/test_file.py"),
        quotes_most_of_a_key=("len(digits) >= 48 and _all_hex(digits)", "len(digits) >= 68 and _all_hex(digits)"),
        quotes_phrases=("(_is_phrase(bare) and", "(False and"),
        phrase_taken_for_anything=("if not _is_phrase(text):\n        return None", "if True:\n        return None"),
    ),
    # Two names for one seller would each have caps, a payee and losses of their own.
    *of(
        "payer/policy/file.py",
        ("tests/cli/test_wrong_files.py",),
        two_sellers_at_one_address=("if other.place == seller.place", "if False"),
    ),
    # A backup overwrites nothing, and a restore takes nothing else for one.
    *of(
        "payer/ledger/backup.py",
        ("tests/cli/test_wrong_files.py",),
        backup_over_a_file=("if to.exists() or to.is_symlink():", "if False:"),
        empty_file_restored=("if not source.is_file() or not source.stat().st_size:", "if False:"),
    ),
    # A ledger's file is read whole before it is trusted.
    *of(
        "payer/ledger/database/recognize.py",
        ("tests/payer/ledger/test_recognize.py",),
        damaged_page_passed_over=('    if said != "ok":\n', "    if False:\n"),
    ),
    # A seller is refused or waited for by what its answer means, and nothing is signed without terms.
    *of(
        "payer/buy/no_terms.py",
        ("tests/payer/buy/test_no_terms.py",),
        refusal_taken_for_silence=("if status in _WAIT or status >= 500:", "if status >= 400:"),
    ),
    # A keystore is never overwritten, and opened before money may go to its address; the only copy of a key stays.
    *of(
        "payer/wallet/keystore.py",
        ("tests/payer/wallet/test_keystore.py",),
        import_of_another_key_taken=("if expected != address:", "if False:"),
        password_that_others_read=("if is_open_to_others(path.resolve()):", "if False:"),
    ),
    *of(
        "tasks/setup/wallet.py",
        ("tests/tasks/setup/test_setup.py",),
        only_copy_of_a_key_removed=("    if not same:", "    if False:"),
    ),
    *of(
        "payer/environment/env_file.py",
        ("tests/payer/environment/test_env_file.py",),
        file_before_the_environment=(
            "{**(file.ours if file else {}), **environ}",
            "{**environ, **(file.ours if file else {})}",
        ),
        key_that_others_read=("and is_open_to_others(path.resolve()):", "and False:"),
    ),
    # A signer elsewhere: its answers are a stranger's.
    *of(
        "payer/wallet/signer.py",
        ("tests/payer/wallet/test_remote.py",),
        another_addresss_signature=("if signed_by != authorization.payer:", "if False:"),
        any_text_as_signature=(
            "isinstance(answer, str) and _SIGNATURE.fullmatch(answer)",
            "isinstance(answer, str) and len(answer) > 2",
        ),
    ),
    *of(
        "payer/wallet/eip3009.py",
        ("tests/payer/wallet/test_remote.py", "tests/payer/wallet/test_eip3009.py"),
        malleable_signatures=('if int.from_bytes(raw[32:64], "big") > _CURVE_ORDER // 2:', "if False:"),
    ),
    *of(
        "payer/wallet/sign.py",
        ("tests/payer/buy/test_remote_signer.py",),
        one_identifier_for_two_payloads=(
            "terms.accepted if signer.repeats else terms.accepted + signature",
            "terms.accepted",
        ),
    ),
    *of(
        "payer/wallet/nonce_secret.py",
        ("tests/payer/wallet/test_nonce_secret.py",),
        any_nonce_secret=("(known is not None and not _derives(secret, known))", "False"),
        secret_made_a_second_time=("if known is None and secret is None:", "if secret is None:"),
        secret_for_everybody=("os.O_EXCL | os.O_CLOEXEC, 0o600)", "os.O_EXCL | os.O_CLOEXEC, 0o644)"),
    ),
    *of(
        "payer/wallet/account.py",
        ("tests/payer/wallet/test_account.py",),
        wallet_contracts_pay=(
            "if len(code) != _DELEGATION_BYTES or not code.startswith(_DELEGATION):",
            "if len(code) < 3:",
        ),
        any_delegate_pays=('if answer is not None and answer.lower() == "0x"', 'if True or answer == "0x"'),
    ),
    *of(
        "payer/buy/send.py",
        ("tests/payer/buy/test_remote_signer.py",),
        unsigned_stays_exposed=(
            "        await context.ledger.in_thread(_book_unsent, context, purchase, failed.what)\n",
            "",
        ),
        sent_after_a_stop=("    if context.stop.requested:\n        await", "    if False:\n        await"),
        presented_after_a_stop=(
            "    payment = await signed_payment(context, purchase)\n    context.stop.check()\n",
            "    payment = await signed_payment(context, purchase)\n",
        ),
        late_signatures_sent=(
            "context.clock.now().timestamp() < payment.authorization.valid_before or",
            "True or",
        ),
    ),
    # The httpx transport: one request in one edition is one purchase.
    *of(
        "payer/paid_transport/order.py",
        ("tests/payer/paid_transport/test_order.py",),
        streams_bought=("if not isinstance(request.stream, httpx.ByteStream):", "if False:"),
        secrets_kept=("        if name in _SECRET:\n", "        if False:\n"),
        parts_bought=("        if name in _PARTIAL:\n", "        if False:\n"),
        one_edition_for_all=('return f"hour:{now:%Y-%m-%dT%H}"', 'return f"hour:{now:%Y-%m-%d}"'),
    ),
    *of(
        "payer/paid_transport/transport.py",
        ("tests/payer/paid_transport",),
        each_caller_buys=("task, joined = self._on_their_way.get(key), True", "task, joined = None, True"),
        callers_cancel_payments=("await asyncio.shield(task)", "await task"),
    ),
    *of(
        "payer/paid_transport/purchase.py",
        ("tests/payer/paid_transport",),
        kept_bodies_bought_again=(
            "if existing.data is Data.DELIVERED and not existing.loss_accepted:",
            "if False:",
        ),
        losses_returned=("        if purchase.failure:\n", "        if False:\n"),
        spool_forgotten=("if book_spooled(self.context) else existing", "if False else existing"),
    ),
    # The decision: what frees money, and what is sent again.
    *of(
        "payer/buy/decide.py",
        DECIDE,
        head_check_of_dead_left_out=("        and chain.state is NonceState.UNUSED\n", ""),
        dead_before_the_end=("chain.final_time >= p.valid_until > 0", "p.valid_until > 0"),
        dead_without_agreement=(
            "        chain.agreed\n        and chain.state_final is NonceState.UNUSED",
            "        chain.state_final is NonceState.UNUSED",
        ),
        freed_by_block_time_alone=("if _dead(p, chain) and now >= p.valid_until:", "if _dead(p, chain):"),
        cancelled_before_the_end=(
            "and chain.state_final is NonceState.CANCELLED and _expired(p, now, chain)",
            "and chain.state_final is NonceState.CANCELLED",
        ),
        any_settlement_believed=(
            "    if settled is None:\n        return False\n",
            "    if settled is None:\n        return False\n    return True\n",
        ),
        presented_past_its_end=("wanted and now < p.valid_until - limits.margin", "wanted"),
        presented_though_used=(
            "counts.presents < limits.presents and not _seen_used(chain)",
            "counts.presents < limits.presents",
        ),
        presented_for_ever=("if may_present and counts.presents < limits.presents and", "if may_present and"),
        signed_though_used=("    if chain.state is NonceState.UNUSED:\n        return Sign()\n", "    return Sign()\n"),
        claimed_for_ever=("return Claim() if p.claims < limits.claims else GiveUp()", "return Claim()"),
        delivered_and_claimed=(
            "    if p.data is Data.DELIVERED or p.loss_accepted:\n        return Done()\n    if p.undelivered",
            "    if p.loss_accepted:\n        return Done()\n    if p.undelivered",
        ),
        a_lagging_head_takes_back=(" or chain.head_number < booked.block_number", ""),
    ),
    *of(
        "payer/chain/agreement.py",
        ("tests/payer/chain/test_agreement.py",),
        one_server_is_enough=("NEEDED = 2", "NEEDED = 1"),
        the_newest_final_block=(
            "final = min(views, key=lambda view: (view.final_time",
            "final = max(views, key=lambda view: (view.final_time",
        ),
        any_server_makes_it_final=("sum(one.final for one in shown) >= needed", "any(one.final for one in shown)"),
        disputed_settlements=(
            "if not shown or len({(s.tx_hash, s.block_hash, s.pay_to, s.value) for s in shown}) > 1:",
            "if not shown:",
        ),
    ),
    # The ledger: caps, losses, freezes, one purchase's one rail.
    *of(
        "payer/ledger/caps.py",
        (*LEDGER, "tests/payer/buy/test_quote.py"),
        caps_never_reached=("        if held > limit.amount:\n", "        if False:\n"),
        a_cap_is_open=("        if held > limit.amount:\n", "        if held > limit.amount + asked:\n"),
        months_not_counted=('        "per_month": ("month", day[:7]),\n', ""),
        a_call_of_any_price=("if amount > caps.per_call:", "if False:"),
        drift_not_checked_in_the_ledger=("if amount > limit.highest:", "if False:"),
        budget_forgotten=('if name == "per_run" and run.budget is not None and run.budget < amount:', "if False:"),
    ),
    *of(
        "payer/ledger/reserve.py",
        (
            *LEDGER,
            "tests/payer/ledger/test_asset_change.py",
            "tests/payer/buy/test_void_purchases.py",
            "tests/payer/buy/test_quote.py",
        ),
        rail_moved_after_a_send=("    if void.sends or void.earlier_sends:\n", "    if False:\n"),
        another_process_works_on_it=(
            "and _was_abandoned(latest, by) and not by.leased_elsewhere(latest):",
            "and _was_abandoned(latest, by):",
        ),
        held_pieces_reserved_again=(
            "    if latest is not None and not latest.buyable:\n        return latest, False\n",
            "",
        ),
        another_dataset_under_one_key=("latest is not None and latest.order.dataset != item.order.dataset", "False"),
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
        "payer/ledger/elsewhere/sums.py",
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
        "payer/ledger/elsewhere/record.py",
        ELSEWHERE,
        exposed_money_taken_for_settled=("(table.c.money == Money.SPENT.value) & table.c.nonce", "table.c.nonce"),
        a_scan_that_begins_too_late=(
            "if kept is not None and kept.since <= scan.since and kept.through_block",
            "if kept is not None and kept.through_block",
        ),
        a_slower_process_takes_the_scan_back=(" & (scans.c.through_block < through)", ""),
        moved_transactions_counted_twice=(
            "            for tx_hash in {transfer.tx_hash for transfer, _ in paid}:\n"
            "                connection.execute(sa.delete(table).where(of_wallet, table.c.tx_hash == tx_hash))\n",
            "",
        ),
    ),
    *of(
        "payer/elsewhere/count.py",
        ("tests/payer/elsewhere/test_count.py",),
        an_unread_chain_is_nothing_spent=(
            "            raise _unknown(error, period) from None\n",
            "            continue\n",
        ),
        blocks_that_are_not_final_closed=("min(blocks[-1], final)", "blocks[-1]"),
        the_count_holds_for_ever=("timedelta(0) <= now - counted[1] < FRESH", "True"),
        one_block_left_out=(
            "range(start, min(start + STRETCH, head.number + 1))",
            "range(start, min(start + STRETCH, head.number))",
        ),
        money_to_ourselves_is_spent=("if transfer.value and transfer.pay_to.lower() != wallet.lower()]", "]"),
    ),
    *of(
        "payer/elsewhere/first_block.py",
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
        caps_not_moved=("    if difference:\n        seller", "    if False:\n        seller"),
        raised_reservations_unchecked=("if limits is not None and difference > 0:", "if False:"),
        frozen_and_signed=("if freezes.signs_new_money(purchase, events):", "if False:"),
        losses_not_looked_at=("if seller_loss_limit is not None:", "if False:"),
    ),
    *of(
        "payer/ledger/loss_limit.py",
        ("tests/payer/buy/test_loss_limit.py", "tests/payer/buy/test_failed_deliveries.py"),
        failed_deliveries_are_no_loss=("at_risk = failed + lost + doubt", "at_risk = lost + doubt"),
        zero_is_no_limit=("threshold = max(limit, 1)", "threshold = limit or 10**30"),
        doubts_are_no_loss=("at_risk = failed + lost + doubt", "at_risk = failed + lost"),
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
        spool_without_fsync_of_the_file=("        os.fsync(handle)\n", ""),
        spool_without_fsync_of_the_folder=(
            "        fsync_path(self._folder)\n        return path",
            "        return path",
        ),
        damaged_spool_is_booked=("    if hashlib.sha256(body).hexdigest() != label.sha256:\n        return None\n", ""),
        a_second_body_replaces_the_first=("        if path.exists():\n            return path\n", ""),
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
        ledger_asked_for_ever=("        if loop.time() >= until:\n            break\n", ""),
    ),
    *of(
        "payer/ledger/ledger.py",
        ("tests/payer/buy/test_ledger_waits.py",),
        the_ledger_blocks_the_loop=("thread or LedgerThread())", "thread or LedgerThread(inline=True))"),
    ),
    *of(
        "payer/ledger/database/thread.py",
        ("tests/payer/ledger/test_thread.py",),
        what_has_begun_is_abandoned=("                if self._take_back():\n", "                if True:\n"),
        given_up_and_done_all_the_same=(
            "        if not self._claim.acquire(blocking=False):\n            return\n",
            "",
        ),
    ),
    *of(
        "payer/buy/send.py",
        ("tests/payer/buy/test_ledger_waits.py",),
        expired_payments_sent=(">= signed.valid_before", ">= signed.valid_before + 10**9"),
    ),
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
        "tasks/ops/accept_loss.py",
        ("tests/tasks/ops/test_accept_loss.py",),
        losses_accepted_before_they_are_final=("    if purchase.settling:\n", "    if False:\n"),
        losses_accepted_before_they_are_proved=("        if purchase.money is Money.EXPOSED:\n", "        if False:\n"),
        failed_deliveries_never_accepted=(", *ws.ledger.failed_deliveries())}", ",)}"),
        deliveries_accepted_as_lost=("    elif not (purchase.undelivered or purchase.burned):", "    elif False:"),
    ),
    # Policy: nothing is signed outside it.
    *of(
        "payer/policy/offer_rules.py",
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
        "payer/policy/still_allowed.py",
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
        units_left_over_lost=("+ (coalesce(before, 0) < {_WHOLE} % {_ROWS})::INTEGER", ""),
        left_over_shared_twice=("least(left_over, {last}) - least(left_over, {first})", "least(left_over, {last})"),
        money_without_a_row_left_out=("FROM priced WHERE rows = 0 AND whole > 0", "FROM priced WHERE false"),
    ),
    *of(
        "warehouse/exports/accounting.py",
        ("tests/warehouse/publish/test_costs.py",),
        balance_forgets_the_month_before=("        self.balance += self.spent\n", ""),
        balance_forgets_what_was_before_the_range=("row.amount_atomic if row.money == _SPENT else 0", "0"),
        pending_counted_as_spent=("        if row.money == _SPENT:\n", "        if True:\n"),
    ),
    # Many workers over one ledger: one publisher, one pace, and rows that arrive late are not missed.
    *of(
        "payer/ledger/workers/publisher.py",
        ("tests/payer/ledger/workers/test_publisher.py",),
        two_publishers_at_once=(
            "if connection.execute(_LOCK).scalar():",
            "if connection.execute(_LOCK).scalar() in (True, False):",
        ),
        oldest_request_forgotten=("THEN publications.wanted_at", "THEN excluded.wanted_at"),
    ),
    *of(
        "payer/ledger/workers/pace.py",
        ("tests/payer/ledger/workers/test_pace.py",),
        every_worker_gets_the_slot=("WHERE paces.next_at <= {SERVER_TIME} OR", "WHERE true OR"),
        a_pause_is_told_to_nobody=("{SERVER_TIME} + :pause)", "{SERVER_TIME} + 0 * :pause)"),
    ),
    *of(
        "tasks/buy/publish.py",
        ("tests/tasks/buy/test_publish.py",),
        publisher_of_another_place=("if not options.take_over and not is_here(ws, last):", "if False:"),
        publication_that_nobody_is_told_of=("        await ws.in_thread(elected.record, ticket, place, seq)\n", ""),
    ),
    *of(
        "warehouse/cache/rewinds.py",
        ("tests/warehouse/publish/test_take_over.py",),
        late_rows_left_out_when_taking_over=("row(observed_at, seq) < ({newest})", "false AND seq < ({newest})"),
    ),
    # The report: its amounts are those of the ledger to the last digit, and a seller's words are never markup.
    *of(
        "tasks/report/page_table.py",
        ("tests/tasks/report/test_page.py",),
        report_rounds_sums=("Context(prec=200)", "Context(prec=28)"),
    ),
    *of(
        "tasks/report/page.py",
        ("tests/tasks/report/test_page.py",),
        report_takes_names_for_markup=("autoescape=True", "autoescape=False"),
    ),
)
