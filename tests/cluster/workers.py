"""The workers of the proof: processes that run commands one after the other, or workers of a Prefect server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from tests.cluster import children
from tests.crash.child import begin

TOKENS = ("3375", "3306", "3988")
YEARS = (2023, 2024, 2025)
WRONG = (2, 5)
"""Exit codes that no run of a worker may end with."""


@dataclass(frozen=True)
class Outcome:
    """One run: what was run, its exit code or state, and the end of what it said. `whole`: it did all it should;
    `wrong` should not happen."""

    what: str
    ended: str
    said: str
    whole: bool
    fine: bool
    wrong: bool


class Workers(Protocol):
    """The proof's hold on its workers, by number."""

    def start(self, number: int, env: Mapping[str, str]) -> None:
        """Start one."""

    def wait_until_ready(self) -> None:
        """Wait until one of their runs has ended: before, there is little to kill."""

    def wait_for_a_run(self) -> None:
        """Wait until one more of their runs has ended as it should, a minute at most: on a busy machine runs take as
        long as it takes to kill everything they rest on."""

    def kill(self, number: int) -> None:
        """Kill one at once, and all that it runs; start it again."""

    def kill_publisher(self, pid: int) -> bool:
        """Kill the process that holds the publisher's lock; False when it is gone, or nobody's."""

    def end(self) -> list[str]:
        """Wait until all have ended what they do; what went wrong there."""

    def outcomes(self) -> Iterator[Outcome]:
        """Every run that has ended."""

    def close(self) -> None:
        """Leave no process behind."""


class CommandWorkers:
    """Each runs the flows' commands in turn, until the file `stop` is there."""

    def __init__(self, folder: Path, stop: Path) -> None:
        self._folder, self._stop = folder, stop
        self._environments: dict[int, Mapping[str, str]] = {}
        self._processes: dict[int, BaseProcess] = {}

    def start(self, number: int, env: Mapping[str, str]) -> None:
        commands = [["run", name] for name in ("grades", "signals", "moonshots")]
        commands = commands[number:] + commands[:number]
        for year in YEARS:
            for token in TOKENS:
                past = ["--from", f"{year}-01-01", "--to", f"{year}-12-20", "--yes"]
                commands.append(["backfill", "signals", "--tokens", token, *past])
        log = str(self._log(number))
        self._environments[number] = env
        self._processes[number] = begin(children.work, env, commands, str(self._stop), log)

    def wait_until_ready(self) -> None:
        return

    def wait_for_a_run(self) -> None:
        return

    def kill(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].join()
        self.start(number, self._environments[number])

    def kill_publisher(self, pid: int) -> bool:
        for number, process in self._processes.items():
            if process.pid == pid:
                self.kill(number)
                return True
        return False

    def end(self) -> list[str]:
        self._stop.touch()
        wrong = []
        for process in self._processes.values():
            process.join(180)
            if process.exitcode is None:
                wrong.append("a worker hangs")
        return wrong

    def outcomes(self) -> Iterator[Outcome]:
        for number in self._processes:
            log = self._log(number)
            for line in log.read_text().splitlines() if log.exists() else ():
                code, words, said = json.loads(line)
                yield Outcome(
                    " ".join(words[:2]), f"exit {code}", said.strip(), code == 0, code in (0, 3), code in WRONG
                )

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()

    def _log(self, number: int) -> Path:
        return self._folder / f"worker-{number}.log"
