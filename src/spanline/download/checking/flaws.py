"""What is wrong with the records of a split: each flaw with its place, counted by kind, and what was done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from spanline.common.console import say
from spanline.common.errors import SpanlineError
from spanline.common.files import to_csv, write_text

# refuse: nothing is written; repair: what can't be repaired is refused; drop: every flawed question is left out;
# repair_or_drop: what can't be repaired is left out
Policy = Literal["refuse", "repair", "drop", "repair_or_drop"]
Done = Literal["refused", "repaired", "dropped"]
NAMED = 10  # flaws that the screen shows; the file has all
COLUMNS = ("split", "kind", "done", "place", "what", "hint")


class Flaw(NamedTuple):
    """One thing that is wrong with one question, or with a record that can't be read as questions at all."""

    kind: str  # a snake_case word of docs/DATA.md
    place: str  # file, article and paragraph or line or row, question, answer
    what: str  # is wrong
    todo: str  # for the person who mends the file
    repair: str | None = None  # what a repair does; None: nothing that is sure to be right


@dataclass
class Found:
    """The flaws of one reading of a split, in the file's order."""

    policy: Policy
    flaws: list[tuple[Flaw, Done]] = field(default_factory=list)
    questions: Counter[Done] = field(default_factory=Counter)  # questions by what was done about them
    made_titles: int = 0  # questions whose title was made up since the file's layout has none

    def decide(self, flaws: Iterable[Flaw]) -> bool:
        """Note the flaws of one question; True if it is to be taken with its repairs."""
        listed = list(flaws)
        can = all(flaw.repair is not None for flaw in listed)
        done: Done = "refused"
        if can and self.policy in ("repair", "repair_or_drop"):
            done = "repaired"
        elif self.policy in ("drop", "repair_or_drop"):
            done = "dropped"
        self.questions[done] += 1
        self.flaws += [(flaw, done) for flaw in listed]
        return done == "repaired"

    def by_kind(self) -> dict[str, dict[str, int]]:
        """Flaws by kind and by what was done, both in alphabetical order."""
        counts = Counter((flaw.kind, done) for flaw, done in self.flaws)
        kinds: dict[str, dict[str, int]] = {}
        for (kind, done), count in sorted(counts.items()):
            kinds.setdefault(kind, {})[done] = count
        return kinds

    def facts(self) -> dict[str, object]:
        """For dataset.json: what was done to how many questions, and the flaws by kind."""
        questions = {done: self.questions[done] for done in ("repaired", "dropped")}
        return {"policy": self.policy, "questions": questions, "kinds": self.by_kind(), "made_titles": self.made_titles}

    def refused(self) -> list[Flaw]:
        return [flaw for flaw, done in self.flaws if done == "refused"]


class RefusedError(SpanlineError):
    """A reading came to its end, and some of its questions are refused; `Found` has them."""


def write(path: Path, found: dict[str, Found]) -> None:
    """All flaws of these splits as CSV, a row each."""
    rows = [
        (split, flaw.kind, done, flaw.place, flaw.what, flaw.repair or flaw.todo)
        for split, of_split in found.items()
        for flaw, done in of_split.flaws
    ]
    write_text(path, to_csv(COLUMNS, rows))


def refusal(found: dict[str, Found], path: Path) -> SpanlineError:
    """The error of refused splits: a single flaw whole; of several the first ten are said here, all are in `path`."""
    refused = [flaw for of_split in found.values() for flaw in of_split.refused()]
    if len(refused) == 1:
        flaw = refused[0]
        return SpanlineError(flaw.place, flaw.what, flaw.todo)
    write(path, found)
    for flaw in islice(refused, NAMED):
        say(f"{flaw.place}: {flaw.what}; {flaw.todo}")
    if len(refused) > NAMED:
        say(f"... and {len(refused) - NAMED:,} more")
    splits = [f"{split} has {of_split.questions['refused']:,}" for split, of_split in found.items() if of_split.flaws]
    kinds = Counter(flaw.kind for flaw in refused)
    counted = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair)))
    what = f"{', '.join(splits)} flawed questions: {counted}"
    return SpanlineError("download", what, f"{path} lists all; mend the file, or {_choice(refused)}")


def _choice(refused: list[Flaw]) -> str:
    can = sum(flaw.repair is not None for flaw in refused)
    if not can:
        return "set `flaws` of the source to drop (none of them can be repaired)"
    if can == len(refused):
        return "set `flaws` of the source to repair (all of them can be) or drop"
    return f"set `flaws` of the source to repair_or_drop ({can:,} of {len(refused):,} can be repaired) or drop"
