"""The page in a real browser: what it shows is what Python says of the answers; links, keys and filters work; nothing
of a data set runs; it asks nobody for anything (`visit` looks at each page's console and requests)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from spanline.dataset.records import Example, GoldAnswer
from spanline.report import questions, run
from spanline.report.questions import KINDS, Run
from spanline.slicing.kinds import question_word
from tests.browser.waiting import wait_for_text, wait_until
from tests.make.project import tiny_examples
from tests.make.reported import write_answers

pytestmark = pytest.mark.slow  # starting a browser takes seconds
Visit = Callable[..., Any]
HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 2">',
    "{{ 7 * 7 }} {% for %} ${window.hacked = 3} `a` <!-- ]]>",
    "\u202egnitirw tfel ot thgir\u202c \u0000\u2028\u2029 & &amp; &#x41;",
    "javascript:window.hacked=4 <svg onload=window.hacked=5>",
]


def hostile_examples() -> list[Example]:
    """Each hostile text as title, question, context, answer and id."""
    examples = []
    for number, text in enumerate(HOSTILE):
        context = f"\U0001f600 before {text} after \U0001f680 the end"
        answer = GoldAnswer(text, context.index(text))
        examples.append(Example(f"{number}{text}", text, context, f"What? {text}", (answer,)))
        examples.append(Example(f"none{number}{text}", text, context, text, ()))
    return examples


def write_page(folder: Path, examples: Sequence[Example], seeds: Sequence[int] = (1,)) -> tuple[Path, list[Run]]:
    runs = []
    for seed in seeds:
        write_answers(folder / f"run{seed}", examples, seed)
        runs.append(questions.read_run(folder / f"run{seed}", f"run{seed}", examples))
    path = folder / "index.html"
    path.write_text(
        run.page(examples, runs, None, {"title": "Test", "verdict": "", "comparison": "", "commit": ""}),
        encoding="utf-8",
    )
    return path, runs


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    path, [answered] = write_page(tmp_path_factory.mktemp("tiny"), tiny_examples())
    return path, answered


def part(**query: str) -> str:
    return f"#questions?{urlencode(query)}"


def by_confidence(answered: Run, kinds: Sequence[str]) -> list[Example]:
    """The definition of the list's order."""
    pairs = zip(tiny_examples(), answered.candidates, strict=True)
    found = [(questions.confidence(answered, e, c), e) for e, c in pairs if answered.kind(e) in kinds]
    return [example for _, example in sorted(found, key=lambda pair: -pair[0])]


def test_the_most_confident_errors_come_first(tiny: tuple[Path, Run], visit: Visit) -> None:
    path, answered = tiny
    page = visit(path, "#questions")
    errors = by_confidence(answered, KINDS[1:])
    assert [text.strip() for text in page.locator(".row .asked").all_text_contents()] == [
        e.question.strip() for e in errors
    ]
    assert page.locator(".detail h2").text_content() == errors[0].question


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_questions(kind: str, tiny: tuple[Path, Run], visit: Visit) -> None:
    path, answered = tiny
    page = visit(path, part(kind=kind))
    expected = by_confidence(answered, [kind])
    assert page.locator(".row").count() == len(expected)
    assert page.locator(f".chip:text-matches('^{kind} ')").text_content() == f"{kind} {len(expected)}"
    assert set(page.locator(".row .badge").all_text_contents()) == ({kind} if expected else set())


def test_filters_together_show_their_count_and_score(tiny: tuple[Path, Run], visit: Visit) -> None:
    path, answered = tiny
    page = visit(path, part(kind="all"))
    page.select_option("select[name='question word']", "what")
    page.select_option("select[name='answerable']", "yes")
    inside = [e for e in tiny_examples() if question_word(e.question) == "what" and e.is_answerable]
    exact, f1 = (100 * sum(answered.scores[e.id][key] for e in inside) / len(inside) for key in (0, 1))
    expected = f"{exact:.1f} exact, {f1:.1f} F1 of {len(inside)} questions (answerable: yes; question word: what)"
    wait_for_text(page, "#summary span", expected)
    again = visit(path, page.evaluate("location.hash"))  # the filter's link
    assert again.locator("#summary span").text_content() == expected
    page.fill("input[name=text]", inside[0].question[:15])
    page.wait_for_selector(f".row .asked:text-is('{inside[0].question}')")


def test_a_question_s_link_opens_it_with_its_gold_and_predicted_spans_marked(
    tiny: tuple[Path, Run], visit: Visit
) -> None:
    path, answered = tiny
    for example, found in zip(tiny_examples(), answered.candidates, strict=True):
        page = visit(path, part(kind="all", id=example.id))
        assert page.locator(".context").text_content() == example.context
        golds = sorted({(a.start, a.start + len(a.text)) for a in example.answers})
        if len(golds) == 1:
            gold = example.context[slice(*golds[0])]
            assert "".join(page.locator(".context mark.gold").all_text_contents()) == gold
        given = answered.answers.predictions[example.id]
        assert "".join(page.locator(".context mark.run0").all_text_contents()) == given
        shown = page.locator(".box.run0 .text").text_content()
        assert shown == (given or "no answer")
        assert page.locator(".nbest tbody tr").count() == len(found.spans) + 1
        page.close()


def test_keys_go_through_the_questions(tiny: tuple[Path, Run], visit: Visit) -> None:
    path, answered = tiny
    errors = by_confidence(answered, KINDS[1:])
    page = visit(path)
    page.keyboard.press("2")
    for key, expected in (("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("k", 0)):
        page.keyboard.press(key)
        wait_for_text(page, ".detail h2", errors[expected].question)
    page.keyboard.press("/")
    wait_until(page, "document.activeElement.name === 'text'")
    page.keyboard.type("zzzz")
    page.wait_for_selector(".list .none")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    wait_until(page, "document.querySelectorAll('.row').length > 0")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")


def test_keys_faster_than_the_browser_s_events_are_all_heeded(tiny: tuple[Path, Run], visit: Visit) -> None:
    path, answered = tiny
    page = visit(path)
    press = """for (const key of keys)
      document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));"""
    first = f"keys => {{ {press} return document.querySelector('.detail h2').textContent; }}"
    assert page.evaluate(first, ["2", "j", "j", "k", "j"]) == by_confidence(answered, KINDS[1:])[2].question
    assert page.evaluate(f"keys => {{ {press} return document.activeElement.name; }}", ["1", "/"]) == "text"
    page.go_back()
    wait_until(page, "!document.getElementById('overview').hidden")


def test_nothing_of_a_data_set_runs_and_all_of_it_is_shown(tmp_path: Path, visit: Visit) -> None:
    examples = hostile_examples()
    path, [answered] = write_page(tmp_path, examples)
    page = visit(path, part(kind="all", order="as in the data"))
    assert page.locator(".row .asked").all_text_contents() == [e.question for e in examples]
    for example in examples:
        page.goto(f"{path.as_uri()}{part(kind='all', id=example.id)}")
        wait_until(page, "id => document.querySelector('.bar .permalink')?.textContent === id", arg=example.id)
        assert page.locator(".detail h2").text_content() == example.question
        assert page.locator(".context").text_content() == example.context
        assert page.locator(".title").text_content() == example.title
        given = answered.answers.predictions[example.id]
        assert "".join(page.locator(".context mark.run0").all_text_contents()) == given  # behind an emoji, too
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 1
    assert page.locator("img, iframe, object, embed, link").count() == 0


def test_the_policy_refuses_what_is_not_the_page_s_own(tiny: tuple[Path, Run], browser: Any) -> None:
    """Not by `visit`: the browser reports what it refuses."""
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(tiny[0].as_uri())
    page.wait_for_selector("body[data-ready]")
    page.evaluate("""() => {
      const script = document.createElement('script');
      script.setAttribute('nonce', 'x');
      const say = error => console.log('' + error);
      try { script.textContent = 'window.hacked = 1'; document.body.append(script); } catch (error) { say(error); }
      try { document.body.innerHTML = '<img src=x onerror="window.hacked = 2">'; } catch (error) { say(error); }
      fetch('https://example.org/').catch(say);
    }""")
    assert page.evaluate("window.hacked") is None
    assert any("TrustedHTML" in text for text in refused)
    page.close()


def test_a_long_list_keeps_few_rows_in_the_document(tmp_path: Path, visit: Visit) -> None:
    one = tiny_examples()[0]
    examples = [Example(f"q{n}", one.title, one.context, f"Question {n}?", one.answers) for n in range(3_000)]
    path, _ = write_page(tmp_path, examples)
    page = visit(path, part(kind="all", order="as in the data"), height=860)
    assert page.locator(".row").count() < 40
    page.evaluate("() => { const list = document.getElementById('list'); list.scrollTop = list.scrollHeight; }")
    page.wait_for_selector(".row:has-text('Question 2999?')")
    assert page.locator(".row").count() < 40


def test_two_runs_side_by_side(tmp_path: Path, visit: Visit) -> None:
    examples = tiny_examples()
    path, (a, b) = write_page(tmp_path, examples, seeds=(1, 2))
    right = [(a.kind(e) == "right", b.kind(e) == "right") for e in examples]
    counts = {name: right.count(pair) for name, pair in zip(run.FLIPS, [(1, 1), (1, 0), (0, 1), (0, 0)], strict=True)}
    page = visit(path)
    shown = page.locator(".flips li").all_text_contents()
    assert [" ".join(text.split()[:-2]) for text in shown] == [f"{name} {count}" for name, count in counts.items()]
    page.click(".flips a:has-text('only B right')")
    wait_until(page, "count => document.querySelectorAll('.row').length === count", counts["only B right"])
    assert page.locator(".detail .nbest").count() == 2
    assert page.locator(".box.run0 .badge").text_content() != "right"
    assert page.locator(".box.run1 .badge").text_content() == "right"


def test_on_a_phone_a_question_covers_the_list_and_goes_back(tiny: tuple[Path, Run], visit: Visit) -> None:
    page = visit(tiny[0], "#questions", width=390)
    assert page.locator(".row").first.is_visible()
    assert not page.locator(".detail").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".row").first.click()
    page.wait_for_selector(".detail h2")
    assert not page.locator(".list").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click(".back")
    page.locator(".row").first.wait_for(state="visible")


def test_dark_mode_is_dark(tiny: tuple[Path, Run], visit: Visit) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page = visit(tiny[0], color_scheme=scheme)
        colours[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colours == {"light": "rgb(251, 251, 250)", "dark": "rgb(21, 23, 26)"}


def test_a_browser_that_cannot_unpack_is_told_in_words(tiny: tuple[Path, Run], visit: Visit) -> None:
    page = visit(tiny[0], script="delete window.DecompressionStream")
    assert "This browser cannot unpack the questions" in page.locator("#notice").text_content()
