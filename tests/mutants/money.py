"""The faults of identity, signing, deciding and the ledger: each would pay twice or sign what is not allowed."""

from __future__ import annotations

from tests.mutants.mutant import of

DECIDE = ("tests/payer/buy/test_decide.py", "tests/payer/buy/test_lying_servers.py", "tests/payer/buy/test_buy.py")
LEDGER = (
    "tests/payer/ledger/test_reserve.py",
    "tests/payer/ledger/test_append.py",
    "tests/payer/ledger/test_seller_caps.py",
)
IDENTITY = ("tests/payer/values/test_identity_vectors.py",)


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
        "payer/buy/quote.py",
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
        "tasks/setup/setup.py",
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
        "payer/wallet/sign.py",
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
    ),
    *of(
        "payer/values/durable.py",
        ("tests/payer/wallet/test_nonce_secret.py", "tests/payer/wallet/test_keystore.py"),
        secret_for_everybody=(
            "handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)",
            "handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)",
        ),
        half_a_secret_has_its_name=("write_new_file(unfinished, text)", "write_new_file(path, text)"),
    ),
    *of(
        "payer/wallet/checks.py",
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
        "payer/chain/reader.py",
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
)
