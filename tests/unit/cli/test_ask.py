"""`spanline ask` as the shell sees it: output, exit codes, pipes, JSON lines, and what it must not import."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from spanline.ask.answerer import load
from spanline.ask.settings import Settings
from spanline.cli.ask import EXCERPT, NO_ANSWER, add_ask, excerpt, settings_from
from spanline.cli.main import READER_GONE
from tests.make.answering import EVALUATED, make_model, questions
from tests.paths import ROOT

PAIRS = questions(8)
QUESTION, CONTEXT = PAIRS[0]


@pytest.fixture(scope="module")
def folder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released model."""
    made = make_model(tiny_encoder, tmp_path_factory.mktemp("answering") / "model")
    (made / "answering.json").write_text(json.dumps(EVALUATED))
    return made


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[dict[str, Any]]:
    questions_, contexts = zip(*PAIRS, strict=True)
    found: list[dict[str, Any]] = load(folder, device="cpu", workers=2)(question=questions_, context=contexts)
    return found


def ask(*options: object, stdin: str | bytes = b"", code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a run that ends with `code`."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    call = [sys.executable, "-m", "spanline", "ask", "--device", "cpu", *map(str, options)]
    done = subprocess.run(call, input=given, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"{done.returncode}\n{out}\n{err}"
    return out, err


def one_line(err: str) -> str:
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0]


def approx(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: pytest.approx(value, abs=1e-5) if isinstance(value, float) else value for key, value in answer.items()}


def test_a_question_is_answered_for_people(folder: Path, expected: list[dict[str, Any]]) -> None:
    out, err = ask("--model", folder, "-q", QUESTION, "-c", CONTEXT)
    best = expected[0]
    first, second, third = out.splitlines()
    place = f"characters {best['start']:,} to {best['end']:,}"
    assert first == f"{best['answer']}  (score {best['score']:.4f}, {place})"
    assert f"[[{best['answer']}]]" in second
    assert third == f"probability that the text has no answer: {best['no_answer_probability']:.1%}"
    assert err == ""


def test_the_text_comes_by_file_or_pipe_and_bytes_are_utf8(folder: Path, tmp_path: Path) -> None:
    text = f"\ufeffÉlan \U0001f600 {CONTEXT}"
    (tmp_path / "notes.txt").write_text(text, encoding="utf-8")
    options = ("--model", folder, "-q", QUESTION, "--json")
    by_file, by_pipe = ask(*options, "-f", tmp_path / "notes.txt"), ask(*options, stdin=text)
    assert by_file == by_pipe
    found = json.loads(by_file[0])
    assert text.removeprefix("\ufeff")[found["start"] : found["end"]] == found["answer"]


def test_no_answer_is_exit_code_3(folder: Path) -> None:
    out, _ = ask("--model", folder, "-q", QUESTION, "-c", CONTEXT, "--threshold", "-1000", code=NO_ANSWER)
    assert out.startswith("no answer in this text  (score ")
    ask("--model", folder, "-q", QUESTION, "-c", CONTEXT, "--threshold", "1000", "--precision", "bfloat16", code=0)


def test_json_lines_in_and_out(folder: Path, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    lines = [json.dumps({"id": n, "question": q, "context": c}) for n, (q, c) in enumerate(PAIRS)]
    (tmp_path / "in.jsonl").write_text("\n\n".join(lines) + "\n")
    _, err = ask("--model", folder, "--jsonl", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "--workers", 2)
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == [{"id": n, **approx(answer)} for n, answer in enumerate(expected)]
    assert err.splitlines()[0] == "8 questions answered"


def test_one_context_for_all_lines_and_top_k(folder: Path) -> None:
    lines = "".join(json.dumps({"question": question}) + "\n" for question, _ in PAIRS[:3])
    out, _ = ask("--model", folder, "--jsonl", "-", "-c", CONTEXT, "--top-k", 3, stdin=lines)
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == 3
    for record in found:
        assert set(record) == {"score", "start", "end", "answer", "no_answer_probability", "others"}
        assert len(record["others"]) == 2
        assert record["score"] >= record["others"][0]["score"] >= record["others"][1]["score"]


def test_bad_lines_are_left_out_and_counted(folder: Path) -> None:
    good = [json.dumps({"id": n, "question": q, "context": c}) for n, (q, c) in enumerate(PAIRS[:2])]
    lines = [good[0], "{", '{"question": "Who?"}', '{"question": "Who?", "context": " "}', good[1], ""]
    out, err = ask("--model", folder, "--jsonl", "-", "--skip-bad", stdin="\n".join(lines))
    assert [json.loads(line)["id"] for line in out.splitlines()] == [0, 1]
    assert err.splitlines()[:2] == ["2 questions answered", "3 bad lines left out: line 2, line 3, line 4"]


def test_several_questions_on_one_text(folder: Path) -> None:
    asked = [question for question, _ in PAIRS[:2]]
    options = ("--model", folder, "-c", CONTEXT, *(word for question in asked for word in ("-q", question)))
    out, _ = ask(*options)
    assert [line for line in out.splitlines() if line in asked] == asked
    found = [json.loads(line) for line in ask(*options, "--json")[0].splitlines()]
    assert [record["question"] for record in found] == asked
    alone = json.loads(ask("--model", folder, "-c", CONTEXT, "-q", asked[1], "--json")[0])
    assert found[1] == {"question": asked[1], **approx(alone)}


def test_answers_from_the_texts_of_a_folder(folder: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    (texts / "deep").mkdir(parents=True)
    names = [texts / "a.txt", texts / "deep" / "b.md"]
    for name, (_, context) in zip(names, PAIRS[2:], strict=False):
        name.write_text(context)
    (texts / "empty.txt").write_text(" ")
    (texts / "picture.png").write_bytes(b"\x89PNG")
    out, err = ask("--model", folder, "-q", QUESTION, "-f", texts, "--top-k", 3, "--json")
    assert f"{texts / 'empty.txt'} is empty: left out" in err
    by_folder = json.loads(out)
    assert by_folder["question"] == QUESTION
    assert len(by_folder["answers"]) == 3
    assert {answer["document"] for answer in by_folder["answers"]} <= set(map(str, names))
    by_name = ask("--model", folder, "-q", QUESTION, "-f", names[0], "-f", names[1], "--top-k", 3, "--json")[0]
    assert json.loads(by_name) == by_folder
    shown = ask("--model", folder, "-q", QUESTION, "-f", texts)[0].splitlines()
    best = by_folder["answers"][0]
    place = f"{best['document']}, characters {best['start']:,} to {best['end']:,}"
    assert shown[0] == f"{best['answer']}  (score {best['score']:.4f}, {place})"
    none = ask("--model", folder, "-q", QUESTION, "-f", texts, "--threshold", "-1000", code=NO_ANSWER)[0]
    assert none == "no answer in these texts\n"


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run([sys.executable, "-m", "spanline", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"spanline {version('spanline')}\n"


@pytest.mark.parametrize(
    ("options", "stdin", "message"),
    [
        (["-q", "Who?", "-c", " "], "", "context of the command line: is empty"),
        (["-q", "", "-c", "text"], "", "question of the command line: is empty"),
        (["-q", "Who?"], "", "context of the command line: is empty"),
        (["-q", "Who?"], b"\xff", "stdin: not UTF-8 at byte 0"),
        (["-q", "Who?", "-f", "nowhere.txt"], "", "nowhere.txt: there is no such file; check the path: it counts"),
        (
            ["-q", "Who?", "-f", ROOT / "stages"],
            "",
            "stages: is a folder without files that end in .txt or .md; give a text file",
        ),
        (["--jsonl", "nowhere.jsonl"], "", "nowhere.jsonl: there is no such file; check"),
        (["--jsonl", "."], "", ".: is a folder; give a file"),
        ([], "", "spanline ask: needs one of --question and --jsonl"),
        (["--jsonl", "-"], '{"question": "Who?", "context": "text"}\n{"question"', "stdin, line 2: not JSON"),
        (["--jsonl", "-"], '{"question": "Who?"}', "stdin, line 1: has no question or no context"),
        (["--jsonl", "-"], '{"question": "Who?", "context": 3}', "context of stdin, line 1: is of type int"),
        (["--jsonl", "-"], "", "stdin: holds no question"),
        (["-q", "Who?", "-c", "text", "--top-k", "0"], "", "'settings.top_k' is 0"),
        (["-q", "Who?", "-c", "text", "--device", "abacus"], "", "device: torch can't use 'abacus'"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_1(
    folder: Path, options: list[str], stdin: str | bytes, message: str
) -> None:
    _, err = ask("--model", folder, *options, stdin=stdin, code=1)
    assert message in one_line(err)


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    _, err = ask("--model", tmp_path, "-q", QUESTION, "-c", CONTEXT, code=1)
    assert "tokenizer.json: there is no such file; give a folder with config.json" in one_line(err)


def test_wrong_options_are_exit_code_2() -> None:
    ask("--topk", "3", code=2)
    ask("--threshold", "much", code=2)


def test_a_reader_that_goes_away_is_no_traceback(folder: Path) -> None:
    lines = "".join(json.dumps({"question": q, "context": c}) + "\n" for q, c in PAIRS)
    call = [sys.executable, "-m", "spanline", "ask", "--device", "cpu", "--model", str(folder), "--jsonl", "-"]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(lines.encode())
        process.stdin.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() == READER_GONE


def test_an_excerpt_is_whole_words_on_one_line() -> None:
    context = "before " * 30 + "the\nanswer here" + " after" * 30
    start = context.index("the")
    shown = excerpt(context, start, start + len("the\nanswer"), colour=False)
    assert shown.startswith("... before ")
    assert shown.endswith(" after ...")
    assert "before [[the answer]] here after" in shown
    assert len(shown) < 2 * EXCERPT + 40
    assert excerpt("Ada", 0, 3, colour=False) == "[[Ada]]"


def loaded_by(code: str) -> set[str]:
    code = f"{code}\nimport json, sys; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_an_answer_needs_no_import_of_transformers(folder: Path) -> None:
    """Which takes longer than all the rest: the command is to start in under three seconds."""
    code = f"from spanline.ask import load; load({str(folder)!r}, device='cpu')(question='Who?', context='Ada did.')"
    found = loaded_by(code)
    assert "torch" in found
    assert not found & {"transformers", "datasets", "evaluate", "huggingface_hub", "dvc"}


def test_every_setting_has_an_option_that_means_it() -> None:
    """All at values other than their defaults; nothing given leaves the defaults."""
    options = {
        "top_k": 3, "threshold": -1.5, "max_answer_len": 7, "max_seq_len": 99, "doc_stride": 9, "max_question_len": 11
    }  # fmt: skip
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    assert parsed(*words, "--no-align-to-words") == Settings(**options, align_to_words=False)  # type: ignore[arg-type]
    assert parsed("--handle-impossible-answer") == Settings(handle_impossible_answer=True)
    assert parsed("--threshold", "calibrated") == Settings(threshold="calibrated")
    assert parsed() == Settings()


def parsed(*words: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_ask(parser)
    return settings_from(parser.parse_args(words))


def test_help_needs_no_torch() -> None:
    assert not loaded_by("import spanline.cli.main") & {"torch", "transformers", "numpy", "pyarrow", "tokenizers"}
