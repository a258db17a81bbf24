"""What `spanline ask` reads: texts from files and folders, questions from JSON lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from spanline.common import console
from spanline.common.errors import SpanlineError
from spanline.common.files import parse_json

if TYPE_CHECKING:
    from spanline.ask import Pair

_ENDS = (".txt", ".md")  # of the files that count in a folder


def documents(paths: Iterable[Path]) -> dict[str, str]:
    """The texts of the files, by name; a folder stands for the .txt and .md files in it, at any depth, sorted."""
    files: dict[Path, None] = {}
    given = list(paths)
    for path in given:
        if not path.is_dir():
            files[path] = None
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDS and file.is_file())
        if not inside:
            raise SpanlineError(path, f"is a folder without files that end in {' or '.join(_ENDS)}", "give a text file")
        files |= dict.fromkeys(inside)
    found = {}
    for file in files:
        with opened(file) as stream:
            text = decoded(stream.read(), str(file))
        if text.strip() or file in given:  # an empty file that is named is a mistake
            found[str(file)] = text
        else:
            console.say(f"{file} is empty: left out")
    return found


def opened(path: Path) -> IO[bytes]:
    """The file, open to be read; SpanlineError where there is none."""
    if path.is_dir():
        raise SpanlineError(path, "is a folder", "give a file")
    if not path.exists():
        raise SpanlineError(path, "there is no such file", "check the path: it counts from the folder you are in")
    return path.open("rb")


def decoded(content: bytes, origin: str) -> str:
    """The text of UTF-8 bytes; SpanlineError that says where they are none."""
    try:
        return content.decode("utf-8-sig")  # a byte order mark is no text
    except UnicodeDecodeError as error:
        raise SpanlineError(origin, f"not UTF-8 at byte {error.start}", "convert it, with iconv say") from None


class Lines:
    """Questions from JSON lines, with a context each or `context` for all. `skips`: whether a bad line is left out
    instead of being a SpanlineError."""

    def __init__(self, origin: str, context: str | None, skips: bool) -> None:
        self.origin, self._context, self._skips = origin, context, skips
        self.ids: deque[Any] = deque()  # of the questions that were read and not yet answered; None without
        self.skipped: list[str] = []  # which lines were left out

    def pairs(self, lines: Iterable[bytes]) -> Iterator[Pair]:
        """The questions in order; blank lines are passed over."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                qid, pair = self._read(line, f"{self.origin}, line {number}")
            except SpanlineError:
                if not self._skips:
                    raise
                self.skipped.append(f"line {number}")
                continue
            self.ids.append(qid)
            yield pair

    def _read(self, line: bytes, where: str) -> tuple[Any, Pair]:
        from spanline.ask.answerer import check_pair

        try:
            record = parse_json(line)
        except ValueError as error:
            raise SpanlineError(where, f"not JSON: {error}", "write one JSON object a line") from None
        is_whole = isinstance(record, dict) and "question" in record
        if not is_whole or ("context" not in record and self._context is None):
            todo = "give each line both, or the context once by --context or --file"
            raise SpanlineError(where, "has no question or no context", todo)
        return record.get("id"), check_pair(record["question"], record.get("context", self._context), where)
