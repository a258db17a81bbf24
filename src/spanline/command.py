"""The command `spanline`: `ask` a model, make a `release` of it, `push` a release to a model hub.

Exit codes: 0 done; 1 a mistake, one line on stderr; 2 wrong options; 3 (`ask` with one question) the answer is that
there is none; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from spanline import console
from spanline.errors import SpanlineError

if TYPE_CHECKING:  # torch takes seconds to import: only the subcommand that needs it does, and not for --help
    from spanline.ask import Answer, Pair, QuestionAnswerer, Settings

NO_ANSWER, READER_GONE = 3, 141
EXCERPT = 80  # characters of context on either side of an answer


def main() -> None:
    """Parse, and run the subcommand."""
    args = _parser().parse_args()
    run: Callable[[argparse.Namespace], None] = args.run
    run(args)


def command() -> None:
    """The console script `spanline`."""
    try:
        console.run(main)
    except BrokenPipeError:  # `spanline ask ... | head`: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spanline", description=str(__doc__).partition("\n")[0])
    subcommands = parser.add_subparsers(required=True, metavar="ask | release | push")
    _add_ask(subcommands.add_parser("ask", help="answer questions", description=_ask.__doc__))
    _add_release(subcommands.add_parser("release", help="make a folder for others", description=_release.__doc__))
    _add_push(subcommands.add_parser("push", help="upload a release to a model hub", description=_push.__doc__))
    return parser


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_ask)
    parser.add_argument("--model", type=Path, default=Path("data/model"), help="folder (default: data/model)")
    parser.add_argument("--question", "-q", help="the question; without it, questions come by --jsonl")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--context", "-c", help="the text to answer from; without it or --file, stdin is read")
    where.add_argument("--file", "-f", type=Path, help="the text to answer from, UTF-8")
    parser.add_argument(
        "--jsonl", type=Path, help='questions, a JSON object a line: {"question", "context", "id"}; - is stdin'
    )
    parser.add_argument("--out", "-o", type=Path, help="answers, a JSON object a line (default: stdout)")
    parser.add_argument("--json", action="store_true", help="with --question: print a JSON object instead of text")
    settings = parser.add_argument_group("settings")
    settings.add_argument("--top-k", type=int, default=1, help="answers a question (default: 1)")
    settings.add_argument("--handle-impossible-answer", action="store_true", help='let "" be an answer')
    help_ = 'logits, or calibrated: answer as the pipeline is scored, "" where score_diff is above (needs --params)'
    settings.add_argument("--threshold", type=_threshold, help=help_)
    settings.add_argument("--max-answer-len", type=int, help="tokens (default: 15; with --threshold the scored one)")
    settings.add_argument("--max-seq-len", type=int, help="tokens of a feature (default: 384, or the scored one)")
    settings.add_argument("--doc-stride", type=int, help="tokens that neighbouring features share (default: 128)")
    settings.add_argument("--max-question-len", type=int, help="tokens kept of a question (default: 64)")
    settings.add_argument("--no-align-to-words", action="store_true", help="leave answers as tokens cut them")
    known = parser.add_argument_group("calibration", "a released model brings its own")
    known.add_argument("--params", type=Path, help="params.yaml that the model was scored with")
    known.add_argument("--calibration", type=Path, help="calibration.json of the model")
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    machine.add_argument("--workers", type=int, default=0, help="batches at a time on a CPU (default: one a core)")
    machine.add_argument(
        "--tokens-per-batch", type=int, default=0, help="bounds memory (default: what suits the device)"
    )
    help_ = "of matrix products (default: float32); bfloat16 is faster and moves probabilities by about 0.01"
    machine.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help=help_)


def _threshold(text: str) -> float | str:
    return text if text == "calibrated" else float(text)


def _ask(args: argparse.Namespace) -> None:
    """Answer a question from a text, or many from JSON lines."""
    if (args.question is None) == (args.jsonl is None):
        raise SpanlineError("spanline ask", "needs one of --question and --jsonl", "see spanline ask --help")
    context = _context(args)  # before torch: a mistake here should not take seconds to show
    from spanline import ask

    settings = ask.Settings(
        top_k=args.top_k,
        handle_impossible_answer=args.handle_impossible_answer,
        max_answer_len=args.max_answer_len,
        max_seq_len=args.max_seq_len,
        doc_stride=args.doc_stride,
        max_question_len=args.max_question_len,
        align_to_words=not args.no_align_to_words,
        threshold=args.threshold,
    )
    pair = None if args.question is None else ask.check_pair(args.question, context, "the command line")
    answerer = ask.load(
        args.model,
        params=args.params,
        calibration=args.calibration,
        device=args.device,
        workers=args.workers,
        tokens_per_batch=args.tokens_per_batch,
        precision=args.precision,
    )
    if pair is not None:
        _ask_one(answerer, pair, settings, args)
    else:
        _ask_many(answerer, context, settings, args)


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
    from spanline.ask import check_pair

    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{origin}, line {number}"
        try:
            record = json.loads(line)
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


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_release)
    parser.add_argument("--project", type=Path, default=Path(), help="root of the pipeline (default: here)")
    parser.add_argument("--out", type=Path, default=Path("release"), help="folder to write (default: release)")
    parser.add_argument("--encoder-licence", help="SPDX name, where it is not known here, as apache-2.0")


def _release(args: argparse.Namespace) -> None:
    """The model with its card, its settings and its calibration in one folder, for others."""
    from spanline import release

    facts = release.write(args.project, args.out, args.encoder_licence)
    dirty = ", with changes that no commit has" if facts.commit.endswith("+") else ""
    console.say(
        f"{args.out}: the model of commit {facts.commit[:9]}{dirty}; exact {facts.scores['answers']['exact']:.2f}"
    )


def _add_push(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_push)
    parser.add_argument("name", help="OWNER/MODEL on the hub")
    parser.add_argument("--folder", type=Path, default=Path("release"), help="what release wrote (default: release)")
    parser.add_argument("--public", action="store_true", help="let everybody see it (default: private)")
    parser.add_argument("--message", default="Model, card and calibration", help="of the commit on the hub")
    parser.add_argument("--dry-run", action="store_true", help="say what would go up; needs no network and no token")


def _push(args: argparse.Namespace) -> None:
    """Upload a release to a model hub: private unless --public; the token from HF_TOKEN or `hf auth login`."""
    from spanline import publish

    publish.check_name(args.name)
    seen = "public" if args.public else "private"
    for file in publish.files(args.folder):
        console.say(f"{file.name}  {file.num_bytes:,} bytes  sha256 {file.sha256}")
    if args.dry_run:
        console.say(f"dry run: nothing was sent; these would go to {args.name} ({seen})")
        return
    url = publish.push(args.folder, args.name, public=args.public, message=args.message)
    console.say(f"pushed to {args.name} ({seen}): {url}")


if __name__ == "__main__":
    command()
