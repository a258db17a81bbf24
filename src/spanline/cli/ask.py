"""`spanline ask`: a question on a text, or many from JSON lines."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import typing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from spanline.ask.settings import Settings, settings_of
from spanline.cli import texts
from spanline.common import console
from spanline.common.errors import SpanlineError

if TYPE_CHECKING:  # torch takes seconds to import: --help and mistakes of the command line do not wait for it
    from spanline.ask import Answer, Pair, QuestionAnswerer

NO_ANSWER = 3  # exit code
DEMONSTRATION = (
    "note: this model is a demonstration that knows invented articles only; "
    "for one that reads real texts see README.md, Real SQuAD v2, or name another: --model"
)
EXCERPT = 80  # characters of context on either side of an answer


def add_ask(parser: argparse.ArgumentParser) -> None:
    """The options of `spanline ask`."""
    parser.set_defaults(run=run)
    help_ = "folder, release or name on the hub (default: data/model)"
    parser.add_argument("--model", default=Path("data/model"), help=help_)
    help_ = "the question, or several: -q ... -q ...; without it, questions come by --jsonl"
    parser.add_argument("--question", "-q", action="append", help=help_)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--context", "-c", help="the text to answer from; without it or --file, stdin is read")
    help_ = "the text to answer from, UTF-8; given several times, or a folder of .txt and .md: answers from all of them"
    where.add_argument("--file", "-f", type=Path, action="append", help=help_)
    parser.add_argument(
        "--jsonl", type=Path, help='questions, a JSON object per line: {"question", "context", "id"}; - is stdin'
    )
    parser.add_argument("--out", "-o", type=Path, help="answers, a JSON object per line (default: stdout)")
    parser.add_argument("--skip-bad", action="store_true", help="with --jsonl: leave bad lines out, and count them")
    parser.add_argument("--json", action="store_true", help="with --question: print a JSON object instead of text")
    _add_settings(parser.add_argument_group("settings"))
    known = parser.add_argument_group("calibration", "a released model brings its own")
    known.add_argument("--params", type=Path, help="params.yaml that the model was scored with")
    known.add_argument("--calibration", type=Path, help="calibration.json of the model")
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    machine.add_argument("--workers", type=int, default=0, help="batches at a time on a CPU (default: one per core)")
    machine.add_argument(
        "--tokens-per-batch", type=int, default=0, help="bounds memory (default: what suits the device)"
    )
    help_ = "of matrix products (default: float32); bfloat16 is faster and moves probabilities by about 0.01"
    machine.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help=help_)


def _add_settings(group: Any) -> None:
    """An option for each field of Settings; --no-... where the default is true."""
    for name, field in Settings.model_fields.items():
        option = name.replace("_", "-")
        if field.annotation is not bool:
            group.add_argument(f"--{option}", type=_parser_of(field.annotation), help=field.description)
        elif field.default:
            group.add_argument(f"--no-{option}", dest=name, action="store_false", help=f"do not {field.description}")
        else:
            group.add_argument(f"--{option}", action="store_true", help=field.description)
    group_defaults = {name: field.default for name, field in Settings.model_fields.items()}
    group.set_defaults(**group_defaults)


def _parser_of(annotation: Any) -> Any:
    """What turns an option's text into a value of a field of this type: int, or a number with the words allowed."""
    literals = [part for part in typing.get_args(annotation) if typing.get_origin(part) is Literal]
    words = {word for literal in literals for word in typing.get_args(literal)}
    if not words:
        return int

    def number_or_word(text: str) -> float | str:
        return text if text in words else float(text)

    return number_or_word


def settings_from(args: argparse.Namespace) -> Settings:
    """What the options of `add_ask` say."""
    return settings_of({name: getattr(args, name) for name in Settings.model_fields})


def run(args: argparse.Namespace) -> None:
    """Answer questions from a text or from several, or many questions from JSON lines."""
    if (args.question is None) == (args.jsonl is None):
        raise SpanlineError("spanline ask", "needs one of --question and --jsonl", "see spanline ask --help")
    documents = texts.documents(args.file or [])
    if args.jsonl is not None and len(documents) > 1:
        raise SpanlineError(
            "spanline ask", "answers --jsonl from one --file", "give one, or put the texts in the lines"
        )
    settings = settings_from(args)
    many = len(documents) > 1
    context = next(iter(documents.values()), None) if not many else None
    if context is None and not many:
        context = _context(args)
    from spanline.ask import answerer

    pairs = [answerer.check_pair(q, context, "the command line") for q in args.question or []] if not many else []
    names = ("params", "calibration", "device", "workers", "tokens_per_batch", "precision")
    qa = answerer.load(args.model, **{name: getattr(args, name) for name in names})
    if qa.evaluated is not None and qa.evaluated.is_demonstration:
        console.say(DEMONSTRATION)
    if many:
        _ask_documents(qa, documents, settings, args)
    elif pairs:
        _ask_some(qa, pairs, settings, args)
    else:
        _ask_many(qa, context, settings, args)


def _context(args: argparse.Namespace) -> str | None:
    """The text to answer from; None when each JSON line has its own."""
    if args.context is None and args.question is not None:
        if sys.stdin.isatty():
            raise SpanlineError("spanline ask", "got no context", "give --context or --file, or pipe a text into it")
        return texts.decoded(sys.stdin.buffer.read(), "stdin")
    text: str | None = args.context
    return text


def _ask_some(answerer: QuestionAnswerer, pairs: list[Pair], settings: Settings, args: argparse.Namespace) -> None:
    """One question, or several on the same text; exit code NO_ANSWER where none of them is answered."""
    is_answered = False
    with _output(args.out) as out:
        for pair, answers in zip(pairs, answerer.stream(pairs, settings, progress=True), strict=True):
            head = {} if len(pairs) == 1 else {"question": pair.question}
            if args.json:
                out.write(_line(answers, head, settings))
            else:
                title = f"{pair.question}\n" if head else ""
                out.write(title + _shown(answers, pair.context, out.isatty()))
            is_answered |= bool(answers[0]["answer"])
    sys.exit(0 if is_answered else NO_ANSWER)


def _ask_documents(
    answerer: QuestionAnswerer, documents: dict[str, str], settings: Settings, args: argparse.Namespace
) -> None:
    """The best answers across the documents to each question; exit code NO_ANSWER where there is none to any."""
    is_answered = False
    with _output(args.out) as out:
        for question in args.question:
            answers = answerer.search(question, documents, progress=True, **settings.model_dump())
            is_answered |= bool(answers)
            if args.json:
                out.write(json.dumps({"question": question, "answers": answers}, ensure_ascii=False) + "\n")
                continue
            lines = [question] if len(args.question) > 1 else []
            for answer in answers:
                place = f"{answer['document']}, characters {answer['start']:,} to {answer['end']:,}"
                lines.append(f"{answer['answer']}  (score {answer['score']:.4f}, {place})")
                text = documents[answer["document"]]
                lines.append(f"    {excerpt(text, answer['start'], answer['end'], out.isatty())}")
            out.write("\n".join(lines or ["no answer in these texts"]) + "\n")
    sys.exit(0 if is_answered else NO_ANSWER)


def _ask_many(answerer: QuestionAnswerer, context: str | None, settings: Settings, args: argparse.Namespace) -> None:
    """Stream: lines are read, answered and written group by group."""
    read = texts.Lines("stdin" if str(args.jsonl) == "-" else str(args.jsonl), context, args.skip_bad)
    num_done = 0
    with ExitStack() as stack:
        lines = sys.stdin.buffer if str(args.jsonl) == "-" else stack.enter_context(texts.opened(args.jsonl))
        out = stack.enter_context(_output(args.out))
        for answers in answerer.stream(read.pairs(lines), settings, progress=True):
            qid = read.ids.popleft()
            out.write(_line(answers, {} if qid is None else {"id": qid}, settings))
            num_done += 1
    if not num_done:
        todo = 'give lines such as {"question": "...", "context": "..."}'
        raise SpanlineError(read.origin, "holds no question", todo)
    console.say(f"{num_done:,} questions answered")
    if read.skipped:
        shown = ", ".join(read.skipped[:10])
        console.say(f"{len(read.skipped):,} bad lines left out: {shown}{', ...' if len(read.skipped) > 10 else ''}")


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """The stream to write answers to, UTF-8 whatever the locale; stdout is flushed, so that a reader who left shows."""
    if path is not None:
        with path.open("w", encoding="utf-8") as file:
            yield file
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    yield sys.stdout
    sys.stdout.flush()


def _line(answers: list[Answer], head: dict[str, Any], settings: Settings) -> str:
    """A question's answers as a JSON line: `head`, the best one's fields, and with top_k the others."""
    record: dict[str, Any] = {**head, **answers[0]}
    if settings.top_k > 1:
        record["others"] = answers[1:]
    return json.dumps(record, ensure_ascii=False) + "\n"


def _shown(answers: list[Answer], context: str, colour: bool) -> str:
    """Answers for people: each with its score, and marked in its surroundings."""
    lines = []
    for answer in answers:
        if answer["answer"]:
            place = f"characters {answer['start']:,} to {answer['end']:,}"
            lines += [f"{answer['answer']}  (score {answer['score']:.4f}, {place})"]
            lines += [f"    {excerpt(context, answer['start'], answer['end'], colour)}"]
        else:
            lines.append(f"no answer in this text  (score {answer['score']:.4f})")
    if "no_answer_probability" in answers[0]:
        lines.append(f"probability that the text has no answer: {answers[0]['no_answer_probability']:.1%}")
    return "\n".join(lines) + "\n"


def excerpt(context: str, start: int, end: int, colour: bool) -> str:
    """The answer between [[ and ]] (or in bold) with about EXCERPT characters of whole words around it, on one line."""
    low, high = max(0, start - EXCERPT), min(len(context), end + EXCERPT)
    before, after = context[low:start], context[end:high]
    if low:
        before = "... " + before.partition(" ")[2]
    if high < len(context):
        after = after.rpartition(" ")[0] + " ..."
    opening, closing = ("\x1b[1m", "\x1b[0m") if colour and "NO_COLOR" not in os.environ else ("[[", "]]")
    return " ".join(f"{before}{opening}{context[start:end]}{closing}{after}".split())
