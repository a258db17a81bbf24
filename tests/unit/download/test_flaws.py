"""Files as people publish them: every flaw counted and listed, repaired where that is sure, dropped where asked."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spanline.common.errors import SpanlineError
from spanline.dataset import splits
from spanline.dataset.records import Example, GoldAnswer
from spanline.download import run
from tests.paths import TINY
from tests.unit.download.test_run import settings

LAKE = "Lake Orvel is cold. The caf\u00e9 by the lake opened in 1990 and closed in 1994."


def question(qid: Any, *answers: tuple[Any, Any], **changes: Any) -> dict[str, Any]:
    record = {
        "id": qid,
        "question": f"What about {qid}?",
        "answers": [{"text": text, "answer_start": start} for text, start in answers],
    }
    return {name: value for name, value in {**record, **changes}.items() if value is not ...}


def official(*questions: Any, context: Any = LAKE, **article: Any) -> dict[str, Any]:
    content = {"title": "Orvel", "paragraphs": [{"context": context, "qas": list(questions)}], **article}
    return {"data": [{name: value for name, value in content.items() if value is not ...}]}


def flat(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def download(tmp_path: Path, content: Any, policy: str) -> tuple[list[Example], dict[str, Any], run.Written]:
    """The examples of validation, dataset.json and what the stage says."""
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    file = {"path": str(path), "sha256": None}
    out = tmp_path / policy
    out.mkdir(exist_ok=True)
    given = settings("files", files__validation=file, files__flaws=policy)
    written = run.write_splits(given, out, tmp_path / "out.flaws.csv", 5.0)
    facts = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    return list(splits.read(out / "validation.parquet")), facts, written


def made(prefix: str, *parts: Any) -> str:
    return f"{prefix}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


GOOD = question("good", ("Lake Orvel", 0))
REPAIRS: list[tuple[str, Any, Example]] = [
    # kind, what stands in the file beside a good question, what becomes of it
    ("answer_elsewhere", question("q", ("1990", 53)), Example("q", "", "", "", (GoldAnswer("1990", 51),))),
    ("answer_elsewhere", question("q", ("1994", 3)), Example("q", "", "", "", (GoldAnswer("1994", 70),))),
    ("answer_elsewhere", question("q", ("1994", -1)), Example("q", "", "", "", (GoldAnswer("1994", 70),))),
    ("answer_elsewhere", question("q", ("1994", 10**30)), Example("q", "", "", "", (GoldAnswer("1994", 70),))),
    ("answer_start_missing", question("q", ("1994", None)), Example("q", "", "", "", (GoldAnswer("1994", 70),))),
    ("answer_start_no_number", question("q", ("1994", "70")), Example("q", "", "", "", (GoldAnswer("1994", 70),))),
    ("answer_start_no_number", question("q", ("in", 48.0)), Example("q", "", "", "", (GoldAnswer("in", 48),))),
    ("answer_spelling", question("q", ("cafe\u0301", 24)), Example("q", "", "", "", (GoldAnswer("caf\u00e9", 24),))),
    ("answer_spelling", question("q", ("Lake\nOrvel ", 0)), Example("q", "", "", "", (GoldAnswer("Lake Orvel", 0),))),
    ("id_number", question(7), Example("7", "", "", "", ())),
    ("id_number", question(7.0), Example("7", "", "", "", ())),
    (
        "id_missing",
        question(None, question="Who?"),
        Example(made("id", "Orvel", LAKE, "Who?"), "", "", "", ()),
    ),
    ("id_empty", question(" ", question="Who?"), Example(made("id", "Orvel", LAKE, "Who?"), "", "", "", ())),
    ("id_repeated", question("good"), Example("good-2", "", "", "", ())),
]


@pytest.mark.parametrize(("kind", "record", "expected"), REPAIRS, ids=[f"{k} {r['id']}" for k, r, _ in REPAIRS])
def test_what_is_sure_is_repaired(tmp_path: Path, kind: str, record: Any, expected: Example) -> None:
    examples, facts, written = download(tmp_path, official(GOOD, record), "repair")
    assert [example.id for example in examples] == ["good", expected.id]
    assert examples[1].answers == expected.answers
    assert facts["flaws"]["validation"] == {
        "policy": "repair",
        "questions": {"repaired": 1, "dropped": 0},
        "kinds": {kind: {"repaired": 1}},
        "made_titles": 0,
    }
    assert [row["kind"] for row in flat(tmp_path / "repair" / "flaws.csv")] == [kind]
    line = f"validation: 1 repaired for flaws (1 {kind}); flaws.csv beside the splits lists them"
    assert line in written.notes


def test_missing_titles_are_made_of_the_articles_first_context(tmp_path: Path) -> None:
    content = official(GOOD, title=...)
    content["data"][0]["paragraphs"].append({"context": "Another one.", "qas": [question("b")]})
    content["data"] += official(question("c"), context="A third.", title="")["data"]
    examples, facts, _ = download(tmp_path, content, "repair")
    first, third = made("untitled", LAKE), made("untitled", "A third.")
    assert [example.title for example in examples] == [first, first, third]
    assert facts["flaws"]["validation"]["kinds"] == {
        "title_empty": {"repaired": 1},
        "title_missing": {"repaired": 2},
    }
    with pytest.raises(SpanlineError, match="3 flawed questions: 2 title_missing, 1 title_empty"):
        download(tmp_path, content, "refuse")


UNREPAIRABLE: list[tuple[str, Any]] = [
    ("answer_nowhere", question("q", ("1999", 49))),
    ("answer_elsewhere", question("q", ("in", 58))),  # two are near, and neither is there
    ("answer_text_empty", question("q", ("", 0))),
    ("answer_text_empty", question("q", (" ", 4))),
    ("answer_text_empty", question("q", ("\u200b", 0))),
    ("answer_text_no_text", question("q", (1990, 49))),
    ("answers_form", question("q", answers=None)),
    ("answers_form", question("q", answers={})),
    ("answer_form", question("q", answers=["1990"])),
    ("id_no_text", question([1])),
    ("id_no_text", question(True)),
    ("id_no_text", question(7.5)),
    ("question_empty", question("q", question="")),
    ("question_empty", question("q", question=" \u200b\ufeff")),
    ("question_missing", question("q", question=None)),
    ("question_half_character", question("q", question="\ud83d?")),
    ("is_impossible_contradicts", question("q", is_impossible=False)),
    ("is_impossible_form", question("q", is_impossible="yes")),
    ("question_form", "What?"),
]


@pytest.mark.parametrize(("kind", "record"), UNREPAIRABLE, ids=[f"{k} {r!s:.60}" for k, r in UNREPAIRABLE])
def test_what_is_not_sure_is_refused_or_dropped(tmp_path: Path, kind: str, record: Any) -> None:
    for policy in ("refuse", "repair"):
        with pytest.raises(SpanlineError, match=r"theirs\.json, article 'Orvel', paragraph 1, question "):
            download(tmp_path, official(GOOD, record), policy)
    for policy in ("drop", "repair_or_drop"):
        examples, facts, _ = download(tmp_path, official(GOOD, record), policy)
        assert [example.id for example in examples] == ["good"]
        assert facts["flaws"]["validation"]["kinds"] == {kind: {"dropped": 1}}
        assert facts["flaws"]["validation"]["questions"] == {"repaired": 0, "dropped": 1}


@pytest.mark.parametrize("context", ["", "\n", "\u200b\u200b", "\ufeff", "\u2060\u00ad \u3164"])
def test_a_context_that_shows_nothing(tmp_path: Path, context: str) -> None:
    content = official(GOOD)
    content["data"] += official(question("b"), question("c", ("x", 0)), context=context)["data"]
    with pytest.raises(SpanlineError, match="validation has 2 flawed questions: 2 context_empty"):
        download(tmp_path, content, "repair")
    examples, facts, _ = download(tmp_path, content, "drop")
    assert [example.id for example in examples] == ["good"]
    assert facts["flaws"]["validation"]["kinds"] == {"context_empty": {"dropped": 2}}


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("article_form", lambda content: content["data"].append(7)),
        ("article_form", lambda content: content["data"].append({"title": "x"})),
        ("paragraph_form", lambda content: content["data"][0]["paragraphs"].append("x")),
        ("paragraph_form", lambda content: content["data"][0]["paragraphs"].append({"context": "x"})),
    ],
)
def test_what_cannot_be_read_as_questions(tmp_path: Path, kind: str, edit: Callable[[Any], None]) -> None:
    content = official(GOOD)
    edit(content)
    with pytest.raises(SpanlineError, match=r"theirs\.json, article"):
        download(tmp_path, content, "repair")
    _, facts, _ = download(tmp_path, content, "drop")
    assert facts["flaws"]["validation"]["kinds"] == {kind: {"dropped": 1}}


def test_a_refusal_counts_all_names_ten_and_lists_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [question(f"w{number}", ("1990", 52)) for number in range(14)]
    content = official(GOOD, *wrong, question(7), question("x", ("1999", 0)))
    with pytest.raises(SpanlineError) as refusal:
        download(tmp_path, content, "refuse")
    listed = tmp_path / "out.flaws.csv"
    assert str(refusal.value) == (
        "download: validation has 16 flawed questions: 14 answer_elsewhere, 1 answer_nowhere, 1 id_number; "
        f"{listed} lists all; mend the file, or set `flaws` of the source to repair_or_drop "
        "(15 of 16 can be repaired) or drop"
    )
    lines = capsys.readouterr().err.splitlines()
    place = f"{tmp_path / 'theirs.json'}, article 'Orvel', paragraph 1, question 'w0', answer 1"
    assert lines[0] == (
        f"{place}: 'text' is '1990' but the context has '990 ' at 'answer_start' 52; the text first occurs at 51: "
        "offsets count characters (code points) of the context, not bytes"
    )
    assert (len(lines), lines[-1]) == (11, "... and 6 more")
    rows = flat(listed)
    assert [row["kind"] for row in rows] == ["answer_elsewhere"] * 14 + ["id_number", "answer_nowhere"]
    assert rows[0] == {
        "split": "validation",
        "kind": "answer_elsewhere",
        "done": "refused",
        "place": place,
        "what": "'text' is '1990' but the context has '990 ' at 'answer_start' 52",
        "hint": "'1990' at 51",
    }
    download(tmp_path, official(GOOD), "refuse")
    assert not listed.exists()


def test_a_refusal_counts_the_flaws_of_both_files(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps(official(GOOD, question(1), question(2))), encoding="utf-8")
    theirs = tmp_path / "validation.json"
    theirs.write_text(json.dumps(official(GOOD, question(3))), encoding="utf-8")
    files = {name: {"path": str(file), "sha256": None} for name, file in (("train", path), ("validation", theirs))}
    given = settings("files", **{f"files__{name}": file for name, file in files.items()})
    with pytest.raises(SpanlineError, match="train has 2, validation has 1 flawed questions: 3 id_number"):
        run.write_splits(given, tmp_path, tmp_path / "flaws.csv", 5.0)


def test_one_record_with_several_flaws_is_one_question(tmp_path: Path) -> None:
    record = question(7, ("1990", 52), ("1994", 60))
    examples, facts, _ = download(tmp_path, official(GOOD, record), "repair")
    assert examples[1].answers == (GoldAnswer("1990", 51), GoldAnswer("1994", 70))
    found = facts["flaws"]["validation"]
    assert found["questions"] == {"repaired": 1, "dropped": 0}
    assert found["kinds"] == {"answer_elsewhere": {"repaired": 2}, "id_number": {"repaired": 1}}
    both = question(8, ("1999", 0))
    _, facts, _ = download(tmp_path, official(GOOD, both), "repair_or_drop")
    assert facts["flaws"]["validation"]["kinds"] == {"answer_nowhere": {"dropped": 1}, "id_number": {"dropped": 1}}


def test_ids_that_are_made_up_never_meet(tmp_path: Path) -> None:
    content = official(question("a"), question("a"), question("a-2"), question(1), question("1"), question(1))
    examples, _, _ = download(tmp_path, content, "repair")
    assert [example.id for example in examples] == ["a", "a-2", "a-2-2", "1", "1-2", "1-3"]


def test_nothing_but_flaws(tmp_path: Path) -> None:
    with pytest.raises(SpanlineError, match=r"theirs\.json: holds no example without a flaw; mend the file, or repair"):
        download(tmp_path, official(question(7)), "drop")


def test_a_good_file_is_the_same_under_every_policy(tmp_path: Path) -> None:
    content = json.loads(TINY.read_text(encoding="utf-8"))
    found = [download(tmp_path, content, policy)[0] for policy in ("refuse", "repair", "drop", "repair_or_drop")]
    assert len(found[0]) == 39
    assert found == [found[0]] * 4
    assert not list(tmp_path.rglob("flaws.csv"))


def test_a_key_that_comes_twice_is_refused_under_every_policy(tmp_path: Path) -> None:
    text = json.dumps(official(GOOD)).replace('"question":', '"id": "other", "question":', 1)
    todo = "fetch it anew, or set its format: for one example a line that is jsonl"
    for policy in ("refuse", "repair", "drop"):
        path = tmp_path / f"{policy}.json"
        path.write_text(text, encoding="utf-8")
        given = settings("files", files__validation={"path": str(path), "sha256": None}, files__flaws=policy)
        with pytest.raises(SpanlineError) as refusal:
            run.write_splits(given, tmp_path, tmp_path / "flaws.csv", 5.0)
        assert str(refusal.value) == f"{path}: not JSON that can be read: the key 'id' comes twice in an object; {todo}"


def test_lines_that_are_no_json_count_as_flaws(tmp_path: Path) -> None:
    record = {**GOOD, "title": "Orvel", "context": LAKE}
    lines = [json.dumps(record), "{", json.dumps({**record, "id": "b"})[:-1] + ', "id": "c"}']
    path = tmp_path / "theirs.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    given = settings("files", files__validation={"path": str(path), "sha256": None}, files__flaws="drop")
    (tmp_path / "out").mkdir()
    counts = run.write_splits(given, tmp_path / "out", tmp_path / "flaws.csv", 5.0).counts
    assert counts["validation"].questions == 1
    assert [row["place"] for row in flat(tmp_path / "out" / "flaws.csv")] == [f"{path}, line 2", f"{path}, line 3"]


def test_published_sets(tmp_path: Path) -> None:
    """As COVID-QA (no titles, whole numbers as ids, offsets off by a few), CMRC 2018 (white space, full-width forms,
    -1 as offset), PIAF (ids twice) and SQuAD-es (decomposed accents, offsets of the translation) are known to be."""
    papers = [
        {
            "paragraphs": [
                {
                    "document_id": 630 + paper,
                    "context": f"Paper {paper}. The virus spread in {2000 + paper} by air.",
                    "qas": [
                        {
                            "question": f"When? {number}",
                            "id": 100 * paper + number,
                            "answers": [{"text": f"{2000 + paper}", "answer_start": 20 + number}],
                            "is_impossible": False,
                        }
                        for number in range(30)
                    ],
                }
            ]
        }
        for paper in range(10)
    ]
    cmrc = "\u300a\u6218\u56fd\u65e0\u53cc3\u300b\u4e8e 2009\u5e74 12\u6708\u53d1\u552e\u3002"
    spanish = "El caf\u00e9 abri\u00f3 en 1990 en la regi\u00f3n de Le\u00f3n."
    others = [
        *official(
            question("D_0", ("2009\u5e7412\u6708", -1)),
            question("D_1", ("\u6218\u56fd\u65e0\u53cc\uff13", 0)),
            context=cmrc,
        )["data"],
        *official(question("p"), question("p"), context="PIAF a des textes.", title="PIAF")["data"],
        *official(question("s", ("regio\u0301n de Leo\u0301n", 60)), context=spanish, title="es")["data"],
    ]
    examples, facts, _ = download(tmp_path, {"data": [*papers, *others]}, "repair")
    assert len(examples) == 305
    assert all(e.context[a.start : a.start + len(a.text)] == a.text for e in examples for a in e.answers)
    assert {e.answers[0].text for e in examples[:300]} == {str(2000 + paper) for paper in range(10)}
    assert len({example.title for example in examples[:300]}) == 10
    assert examples[300].answers == (GoldAnswer("2009\u5e74 12\u6708", 9),)
    assert examples[304].answers == (GoldAnswer("regi\u00f3n de Le\u00f3n", spanish.index("regi")),)
    assert facts["flaws"]["validation"]["kinds"] == {
        "answer_elsewhere": {"repaired": 290},
        "answer_spelling": {"repaired": 3},
        "id_number": {"repaired": 300},
        "id_repeated": {"repaired": 1},
        "title_missing": {"repaired": 300},
    }
