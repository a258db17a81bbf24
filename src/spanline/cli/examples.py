"""`spanline examples`: right and wrong answers as people read them."""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spanline.cli.report import add_inputs, read_runs

if TYPE_CHECKING:
    from spanline.dataset.records import Example
    from spanline.report.questions import Candidates, Run

WORDS = 30  # of the context on either side of what is marked


def add_examples(parser: argparse.ArgumentParser) -> None:
    """The options of `spanline examples`."""
    parser.set_defaults(run=run)
    add_inputs(parser, "?", "folder of answers, git revision or DVC experiment (default: data/answers)")
    parser.add_argument("--number", "-n", type=int, default=5, help="examples of each kind (default: 5)")


def run(args: argparse.Namespace) -> None:
    """Right answers, wrong spans, false answers and false nulls of a run, as Markdown; the most confident first."""
    with tempfile.TemporaryDirectory() as scratch:
        examples, [answered], _ = read_runs(args.squad, [args.answers or "data/answers"], Path(scratch))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # whatever the locale
    sys.stdout.writelines(f"{line}\n" for line in markdown(examples, answered, args.number))
    sys.stdout.flush()


def markdown(examples: Sequence[Example], run: Run, number: int) -> Iterator[str]:
    """Lines: a section for each kind with its count, `number` examples in each."""
    from spanline.report.questions import KINDS, confidence

    for kind in KINDS:
        of_kind = [(e, c) for e, c in zip(examples, run.candidates, strict=True) if run.kind(e) == kind]
        of_kind.sort(key=lambda pair: -confidence(run, *pair))
        share = 100 * len(of_kind) / len(examples)
        yield f"## {_TITLES[kind]}: {len(of_kind):,} of {len(examples):,} questions ({share:.1f} %)\n"
        for example, candidates in _one_per_article(of_kind, number):
            yield from _example(example, run, candidates)


_TITLES = {
    "right": "Right",
    "wrong span": "Wrong span: there is an answer, another span was given",
    "false answer": "False answer: there is none, a span was given",
    "false null": "False null: there is an answer, none was given",
}


def _one_per_article(pairs: Sequence[tuple[Example, Candidates]], number: int) -> list[tuple[Example, Candidates]]:
    """The first `number`, of different articles as far as there are such."""
    first = {example.title: example for example, _ in reversed(pairs)}
    firsts = [pair for pair in pairs if first[pair[0].title] is pair[0]]
    others = [pair for pair in pairs if first[pair[0].title] is not pair[0]]
    return [*firsts, *others][:number]


def _example(example: Example, run: Run, found: Candidates) -> Iterator[str]:
    """One question: the piece of its context with gold in bold and the predicted span in [[ ]], and what was said."""
    given = run.answers.predictions[example.id]
    gold = sorted({(answer.start, answer.start + len(answer.text)) for answer in example.answers})
    yield f"### {_plain(example.question)}\n"
    yield f"{_plain(example.title)}, `{example.id}`\n"
    yield f"> {_excerpt(example.context, gold[:1], found.spans[:1], bool(given))}\n"
    texts = dict.fromkeys(answer.text for answer in example.answers)
    yield f"- gold: {' / '.join(map(_plain, texts)) or '*no answer*'}"
    yield f"- predicted: {_plain(given) or '*no answer*'}"
    difference, threshold = run.answers.score_diff[example.id], run.answers.thresholds.applied
    shown = (
        "no span is legal" if difference is None else f"score difference {difference:.2f}, threshold {threshold:.2f}"
    )
    yield f"- no-answer probability {100 * run.answers.na_prob[example.id]:.1f} %; {shown}\n"


Spans = Sequence[tuple[int, int]]  # characters of the context, end exclusive


def _excerpt(context: str, gold: Spans, best: Spans, is_given: bool) -> str:
    """About WORDS words around the marks; without any, around the best span that was not given."""
    around = [*gold, *best] or [(0, 0)]
    low, high = min(start for start, _ in around), max(end for _, end in around)
    before = re.findall(r"\S+\s*|^\s+", context[:low])
    start = low - sum(map(len, before[-WORDS:]))
    end = high + sum(map(len, re.findall(r"^\s+|\S+\s*", context[high:])[:WORDS]))
    # (place, order where several are at one place, mark): what opened last closes first
    marks = [mark for first, last in gold for mark in ((first, 2, "**"), (last, 1, "**"))]
    marks += [mark for first, last in best if is_given for mark in ((first, 3, "[["), (last, 0, "]]"))]
    pieces, place = ["... "] if start else [], start
    for at, _, mark in sorted(marks):
        pieces += [_plain(context[place:at], keep_ends=True), mark]
        place = at
    pieces += [_plain(context[place:end], keep_ends=True), " ..." if end < len(context) else ""]
    return "".join(pieces).strip()


def _plain(text: str, keep_ends: bool = False) -> str:
    """The text on one line, so that nothing in it is Markdown or HTML."""
    line = re.sub(r"\s+", " ", text)
    line = line if keep_ends else line.strip()
    return re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
