"""py-evm behind three methods: make a genesis, call at a block, build the next block."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth.abc import BlockAPI, BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI, StateAPI
from eth.chains.base import MiningChain
from eth.consensus.noproof import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.exceptions import PyEVMError, Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.spoof import SpoofTransaction
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from sandbox.chain.store import StateDB
from sandbox.keys import CHAIN_ID

GAS_LIMIT = 30_000_000
_COINBASE = b"\x00" * 20


class SandboxVM(PragueVM):
    """Prague without proofs. A block may carry its parent's timestamp, as on Arbitrum, so that settling many payments
    within one second does not push chain time ahead of the clock."""

    consensus_class = NoProofConsensus

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        if header.timestamp == parent_header.timestamp:
            parent_header = parent_header.copy(timestamp=parent_header.timestamp - 1)
        super().validate_header(header, parent_header)


@dataclasses.dataclass(frozen=True, slots=True)
class Called:
    """The result of a call: its output, or the bytes and the cause of its failure."""

    output: bytes
    gas_used: int
    failure: str | None = None
    reverted: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Built:
    """A new block; `rejected` are transactions that could not enter it, with the reason."""

    block: BlockAPI
    receipts: tuple[ReceiptAPI, ...]
    computations: tuple[ComputationAPI, ...]
    rejected: tuple[tuple[SignedTransactionAPI, str], ...]


class Evm:
    def __init__(self, state: StateDB) -> None:
        self._db = AtomicDB(state)
        kind = MiningChain.configure("SandboxChain", vm_configuration=((0, SandboxVM),), chain_id=CHAIN_ID)
        self._kind: Any = kind
        self._chain: Any = None

    def genesis(self, time: int, balances: Mapping[bytes, int], code: Mapping[bytes, bytes]) -> BlockHeaderAPI:
        accounts: dict[Any, Any] = {
            address: {
                "balance": balances.get(address, 0),
                "nonce": 1 if address in code else 0,
                "code": code.get(address, b""),
                "storage": {},
            }
            for address in {*balances, *code}
        }
        params = {"difficulty": 0, "gas_limit": GAS_LIMIT, "timestamp": time, "coinbase": _COINBASE}
        self._chain = self._kind.from_genesis(self._db, params, accounts)
        header: BlockHeaderAPI = self._chain.get_canonical_head()
        return header

    @staticmethod
    def empty_block(header: BlockHeaderAPI) -> BlockAPI:
        block: BlockAPI = SandboxVM.get_block_class()(header, transactions=(), uncles=(), withdrawals=())
        return block

    def open(self) -> None:
        """Open a chain that `genesis` made earlier."""
        self._chain = self._kind(self._db)

    @staticmethod
    @lru_cache(maxsize=256)
    def header(encoded: bytes) -> BlockHeaderAPI:
        header: BlockHeaderAPI = rlp.decode(encoded, sedes=PragueBlockHeader)
        return header

    def decode(self, raw: bytes) -> SignedTransactionAPI:
        """A signed transaction of type 0, 1 or 2; raises ValueError for anything else."""
        try:
            transaction: SignedTransactionAPI = SandboxVM.get_transaction_builder().decode(raw)
        except (RLPException, ValidationError, PyEVMError, IndexError, TypeError) as problem:
            raise ValueError(f"not a valid signed transaction: {problem}") from problem
        return transaction

    def state(self, header: BlockHeaderAPI) -> StateAPI:
        """The state after the block."""
        state: StateAPI = self._chain.get_vm(header).state
        return state

    def next_header(self, parent: BlockHeaderAPI, time: int, extra: bytes = b"") -> BlockHeaderAPI:
        header: BlockHeaderAPI = SandboxVM.create_header_from_parent(
            parent, timestamp=time, gas_limit=GAS_LIMIT, coinbase=_COINBASE, difficulty=0, extra_data=extra
        )
        return header

    def call(self, header: BlockHeaderAPI, *, sender: bytes, to: bytes, data: bytes, value: int, gas: int) -> Called:
        """Run a call in the context of `header` on the state it names, free of charge and without effect."""
        vm = self._chain.get_vm(header.copy(base_fee_per_gas=0))
        state = vm.state
        snapshot = state.snapshot()
        try:
            unsigned = vm.create_unsigned_transaction(
                nonce=state.get_nonce(sender), gas_price=0, gas=gas, to=to, value=value, data=data
            )
            computation = state.costless_execute_transaction(SpoofTransaction(unsigned, from_=sender))
        except ValidationError as problem:
            return Called(b"", 0, failure=str(problem))
        finally:
            state.revert(snapshot)
        used = unsigned.intrinsic_gas + computation.get_gas_used()
        if computation.is_success:
            return Called(computation.output, used)
        reverted = isinstance(computation.error, Revert)
        return Called(computation.output, used, str(computation.error) or type(computation.error).__name__, reverted)

    def build(
        self, parent: BlockHeaderAPI, time: int, transactions: Iterable[SignedTransactionAPI], extra: bytes = b""
    ) -> Built:
        """The block after `parent` with every transaction that may enter; the state it makes is kept."""
        header = self.next_header(parent, time, extra)
        vm = self._chain.get_vm(header)
        entered, receipts, computations, rejected = [], [], [], []
        for transaction in transactions:
            try:
                receipt, computation = vm.apply_transaction(header, transaction)
            except ValidationError as problem:
                rejected.append((transaction, str(problem)))
                continue
            header = vm.increment_blob_gas_used(vm.add_receipt_to_header(header, receipt), transaction)
            entered.append(transaction)
            receipts.append(receipt)
            computations.append(computation)
        filled = vm.set_block_transactions_and_withdrawals(vm.get_block(), header, tuple(entered), tuple(receipts))
        block = vm.mine_block(filled).block
        self._db[block.hash] = rlp.encode(block.header)
        return Built(block, tuple(receipts), tuple(computations), tuple(rejected))
