"""Questions of `tollbook init` to a person at a terminal. What is secret is not echoed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer

from payer.environment.pasted import is_private_key, not_a_key
from payer.values.errors import PayerError
from payer.values.terms import SecretStr

T = TypeVar("T")
TRIES = 5


def _asked(question: str, ask: Callable[..., Any] = typer.prompt, **options: Any) -> Any:
    """Ask. Ctrl-C and the end of input are an interruption, as at any other time."""
    try:
        return ask(question, **options)
    except typer.Abort:
        raise KeyboardInterrupt from None


def choose(question: str, options: Sequence[tuple[str, str]], default: str) -> str:
    """Let a person choose by name or number among options, each with a line that explains it."""
    typer.echo(f"\n{question}")
    for number, (name, meaning) in enumerate(options, 1):
        typer.echo(f"  {number}  {name:<13} {meaning}")
    names = [name for name, _ in options]

    def read(text: str) -> str:
        text = text.strip().lower()
        chosen = names[int(text) - 1] if text.isdecimal() and 1 <= int(text) <= len(names) else text
        if chosen not in names:
            raise typer.BadParameter(f"say one of {', '.join(names)}, or its number")
        return chosen

    return str(_asked("Choose", default=default, value_proc=read))


def text(question: str, default: str | None = None) -> str:
    """Ask for a text; an empty answer is the default."""
    return str(_asked(question, default=default or "", show_default=bool(default)))


def confirm(question: str, *, default: bool) -> bool:
    return bool(_asked(question, typer.confirm, default=default))


def private_key() -> SecretStr:
    """Ask for a key without echo, again until it is one; what else was pasted is named and not shown."""
    for _ in range(TRIES):
        pasted = secret("Private key")
        if is_private_key(pasted.strip()):
            return pasted
        what, advice = not_a_key(pasted)
        typer.echo(f"  That is {what}. {advice[:1].upper()}{advice[1:]}.")
    raise KeyboardInterrupt


def password() -> SecretStr | None:
    """Ask twice for a new password without echo; an empty one lets tollbook draw a random one."""
    question = "Password for it (not shown; empty: a random one)"
    typed = _asked(question, hide_input=True, confirmation_prompt=True, default="", show_default=False)
    return SecretStr(typed) if typed else None


def secret(question: str) -> SecretStr:
    """Ask for a text that may hold a password, without echo."""
    return SecretStr(_asked(f"{question} (not shown)", hide_input=True, default="", show_default=False))


def until_right(ask: Callable[[], T]) -> T:
    """Ask again while the answer is refused, and say why."""
    for _ in range(TRIES):
        try:
            return ask()
        except PayerError as error:
            typer.echo(f"  {error.what}: {error.fix}")
    raise KeyboardInterrupt
