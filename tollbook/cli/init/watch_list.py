"""The watch list of a new policy: tokens by symbol or id, from the seller's free lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from payer.values.errors import PayerError
from tasks.reference.catalogue import throwaway_home
from tasks.request.model import BadRequest
from tasks.request.tokens import words_of
from tasks.setup.look_up import find_tokens, only_ids
from tasks.setup.policy_text import Listed, Network, drafted
from tasks.setup.setup import Folder
from tollbook.cli.errors import BadUsage
from tollbook.cli.init import questions
from tollbook.cli.init.flags import Flags
from tollbook.cli.init.pages import show_tokens
from tollbook.cli.init.world import PaidWorld
from tollbook.cli.terminal.output import Output

LookUp = Callable[[str | None], list[Listed]]

MOST_TOKENS = 10


@dataclass
class TokenChooser:
    """Choose the tokens by flag or, where somebody `asks`, by question; `notes` gets what one should know of it."""

    flags: Flags
    current: Folder
    world: PaidWorld | None
    output: Output
    asks: bool
    notes: list[str] = field(default_factory=list, init=False)

    def choose_tokens(self, network: Network | None, caps: Mapping[str, str]) -> tuple[Listed, ...] | None:
        """None where the watch list stays as it is."""
        if not self.flags.tokens and self.current.tokens and not self.asks:
            return None
        start = self.current.template if network is not None else self.current.policy_text or self.current.template
        policy_text = drafted(start, network=network, caps=caps, tokens=None)

        with throwaway_home(self.world.clock_offset if self.world else None) as home:

            def looked_up(words: str | None) -> list[Listed]:
                return asyncio.run(find_tokens(home, policy_text, words, top=self.flags.top, most=MOST_TOKENS))

            return self._watched(looked_up)

    def _watched(self, looked_up: LookUp) -> tuple[Listed, ...] | None:
        if self.flags.tokens:
            return tuple(self._named(",".join(self.flags.tokens), looked_up))
        try:
            largest = looked_up(",".join(map(str, self.current.tokens)) or None)
        except PayerError as error:
            largest = []
            self._say_unreachable(error)
        if not self.asks:
            if not largest:
                raise missing_flags(["--tokens"], *self.notes)
            return tuple(largest)
        return self._asked(largest, looked_up)

    def _asked(self, largest: list[Listed], looked_up: LookUp) -> tuple[Listed, ...] | None:
        """Show a list to start from, and take it or another."""
        show_tokens(self.output, largest)
        question = "\nWatch list: symbols or ids, separated by commas" + (" (Enter takes these)" if largest else "")

        def ask() -> list[Listed]:
            words = questions.text(question)
            if not words and (largest or self.current.tokens):
                return largest
            return self._named(words, looked_up)

        chosen = questions.until_right(ask)
        if chosen and chosen is not largest:
            show_tokens(self.output, chosen)
        return tuple(chosen) or None

    def _named(self, text: str, looked_up: LookUp) -> list[Listed]:
        """Tokens by the words of a person. Ids do where the seller's lists can't be read."""
        words = words_of(text)
        try:
            return looked_up(",".join(words))
        except BadRequest:
            raise
        except PayerError as error:
            ids = only_ids(words)
            if ids is None:
                raise BadUsage(
                    f"symbols can't be looked up: {error.what}",
                    advice="name the tokens by their ids, for example 3375 (Bitcoin) and 3306 (Ether), or run it again",
                ) from None
            self._say_unreachable(error)
            return ids

    def _say_unreachable(self, error: PayerError) -> None:
        note = f"the seller's free lists can't be read, so that tokens go by their ids alone: {error.what}"
        self.notes.append(note)
        if self.asks:
            self.output.line(f"\n{note}", style="yellow")


def missing_flags(missing: list[str], *reasons: str) -> BadUsage:
    """The error where nobody is there to answer; `reasons` say what kept a default from being found."""
    names = list(dict.fromkeys(missing))
    return BadUsage(
        f"nobody is there to ask, and {', '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
        + "".join(f"; {reason}" for reason in reasons),
        advice="for example `tollbook init --yes --network base-sepolia --wallet new --tokens BTC,ETH --top`, or "
        "`tollbook init --sandbox --yes` for a paid world on this machine",
    )
