"""`spanline ask`: a question on a text, or many from JSON lines."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import typing
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from spanline.ask.settings import Settings, settings_of
from spanline.common import console
from spanline.common.errors import SpanlineError
from spanline.common.files import parse_json

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
    parser.add_argument("--question", "-q", help="the question; without it, questions come by --jsonl")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--context", "-c", help="the text to answer from; without it or --file, stdin is read")
    where.add_argument("--file", "-f", type=Path, help="the text to answer from, UTF-8")
    parser.add_argument(
        "--jsonl", type=Path, help='questions, a JSON object per line: {"question", "context", "id"}; - is stdin'
    )
    parser.add_argument("--out", "-o", type=Path, help="answers, a JSON object per line (default: stdout)")
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
    """Answer a question from a text, or many from JSON lines."""
    if (args.question is None) == (args.jsonl is None):
        raise SpanlineError("spanline ask", "needs one of --question and --jsonl", "see spanline ask --help")
    context = _context(args)
    settings = settings_from(args)
    from spanline.ask import answerer

    pair = None if args.question is None else answerer.check_pair(args.question, context, "the command line")
    names = ("params", "calibration", "device", "workers", "tokens_per_batch", "precision")
    qa = answerer.load(args.model, **{name: getattr(args, name) for name in names})
    if qa.evaluated is not None and qa.evaluated.is_demonstration:
        console.say(DEMONSTRATION)
    if pair is not None:
        _ask_one(qa, pair, settings, args)
    else:
        _ask_many(qa, context, settings, args)


def _context(args: argparse.Namespace) -> str | None:
    """The text to answer from; None when each JSON line has its own."""
    if args.file is not None:
        return _decoded(args.file.read_bytes(), str(args.file))
    if args.context is None and args.question is not None:
        if sys.stdin.isatty():
            raise SpanlineError("spanline ask", "got no context", "give --context or --file, or pipe a text into it")
        return _decoded(sys.stdin.buffer.read(), "stdin")
    text: str | None = args.context
    return text


def _decoded(content: bytes, origin: str) -> str:
    try:
        return content.decode("utf-8-sig")  # a byte order mark is no text
    except UnicodeDecodeError as error:
        raise SpanlineError(origin, f"not UTF-8 at byte {error.start}", "convert it, with iconv say") from None


def _ask_one(answerer: QuestionAnswerer, pair: Pair, settings: Settings, args: argparse.Namespace) -> None:
    answers = next(answerer.stream([pair], settings, progress=True))
    with _output(args.out) as out:
        out.write(_line(answers, None, settings) if args.json else _shown(answers, pair.context, out.isatty()))
    if not answers[0]["answer"]:
        sys.exit(NO_ANSWER)
    sys.exit(0)


def _ask_many(answerer: QuestionAnswerer, context: str | None, settings: Settings, args: argparse.Namespace) -> None:
    """Stream: lines are read, answered and written group by group."""
    ids: deque[Any] = deque()  # of the questions that were read and not yet answered
    num_done = 0
    with ExitStack() as stack:
        lines = sys.stdin.buffer if str(args.jsonl) == "-" else stack.enter_context(args.jsonl.open("rb"))
        origin = "stdin" if str(args.jsonl) == "-" else str(args.jsonl)
        out = stack.enter_context(_output(args.out))
        for answers in answerer.stream(_pairs(lines, origin, context, ids), settings, progress=True):
            out.write(_line(answers, ids.popleft(), settings))
            num_done += 1
    if not num_done:
        raise SpanlineError(origin, "holds no question", 'give lines such as {"question": "...", "context": "..."}')
    console.say(f"{num_done:,} questions answered")


def _pairs(lines: Iterable[bytes], origin: str, context: str | None, ids: deque[Any]) -> Iterator[Pair]:
    """The questions of JSON lines; blank lines are skipped. Each one's id (null without) is appended to `ids`."""
    from spanline.ask.answerer import check_pair

    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{origin}, line {number}"
        try:
            record = parse_json(line)
        except ValueError as error:
            raise SpanlineError(where, f"not JSON: {error}", "write one JSON object a line") from None
        if not isinstance(record, dict) or "question" not in record or ("context" not in record and context is None):
            todo = "give each line both, or the context once by --context or --file"
            raise SpanlineError(where, "has no question or no context", todo)
        pair = check_pair(record["question"], record.get("context", context), where)
        ids.append(record.get("id"))
        yield pair


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


def _line(answers: list[Answer], qid: Any, settings: Settings) -> str:
    """A question's answers as a JSON line: the best one's fields, its id if it has one, and with top_k the others."""
    record: dict[str, Any] = {} if qid is None else {"id": qid}
    record |= answers[0]
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
