"""Statistics of a split against plain counting."""

from __future__ import annotations

from spanline.download.statistics import Statistics
from spanline.slicing.kinds import question_word
from tests.make.project import tiny_examples


def test_counts_what_passes_by() -> None:
    examples, statistics = tiny_examples(), Statistics()
    assert list(statistics.watch(examples)) == examples
    found = statistics.summary()
    contexts = list(dict.fromkeys(example.context for example in examples))
    lengths = {
        "context": sorted(len(context.split()) for context in contexts),
        "question": sorted(len(example.question.split()) for example in examples),
        "answer": sorted(len(example.answers[0].text.split()) for example in examples if example.answers),
    }
    assert found["paragraphs"] == len(contexts)
    for name, sizes in lengths.items():
        words = found["words"][name]
        assert (words["least"], words["most"]) == (sizes[0], sizes[-1])
        assert words["median"] == sizes[(len(sizes) - 1) // 2]
        assert sum(size <= words["95 %"] for size in sizes) >= 0.95 * len(sizes) > sum(s < words["95 %"] for s in sizes)
    words_of = [question_word(example.question) for example in examples]
    assert found["question_words"] == {word: words_of.count(word) for word in words_of}


def test_nothing_passes_by() -> None:
    assert Statistics().summary() == {"paragraphs": 0, "words": {}, "question_words": {}}
