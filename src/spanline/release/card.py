"""The model card: what a released model is, how good, for what, and how to make it again; from the pipeline's files.

The text in front (YAML) is for model hubs, the rest for people. No clock and no path is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spanline.ask.answering import is_demonstration
from spanline.release.front_matter import front_matter

_SCORES = {  # key of metrics/scores.json -> what the card calls it
    "at_threshold_0": "threshold 0",
    "at_calibrated_threshold": "calibrated threshold",
    "answers": "**answers as written**",
}


_REAL = ("Where do I live?", "My name is Wolfgang and I live in Berlin", "Berlin")
_INVENTED = ("When was Plumminster connected to the railway?", "Plumminster saw its first train in 1942.", "1942")

_DEMONSTRATION = """
**A demonstration**: it learned from articles that Spanline invents, and finds little in real texts. Spanline's
README.md says how to train it on SQuAD v2.
"""


@dataclass(frozen=True)
class Facts:
    """All that the card says, as the pipeline's files hold it."""

    dataset: dict[str, Any]  # dataset.json
    checkpoint: dict[str, Any]  # checkpoint.json
    trained: dict[str, Any]  # metrics/train.json
    scores: dict[str, Any]  # metrics/scores.json
    params: dict[str, Any]  # sections of params.yaml, from dvc.lock
    config: dict[str, Any]  # the model's config.json
    encoder_licence: str  # SPDX, lower case
    commit: str  # of the working tree, hex; "+" behind it: with changes that are not in it
    lock_sha256: str


def card(facts: Facts) -> str:
    """The README.md of a released model."""
    front = front_matter(
        facts.dataset, _dataset_name(facts), facts.checkpoint, facts.scores["answers"], facts.encoder_licence
    )
    parts = [front, _title(facts), _use(facts), _scores(facts), _data(facts), _parameters(facts)]
    return "\n".join([*parts, _limits(facts), _licences(facts), _reproduce(facts)])


def _title(facts: Facts) -> str:
    config, checkpoint = facts.config, facts.checkpoint
    revision = f" at revision {checkpoint['revision']}" if "revision" in checkpoint else ""
    size = " and ".join(
        f"{config[key]:,} {name}"
        for key, name in (("num_hidden_layers", "layers"), ("hidden_size", "wide"))
        if key in config
    )
    return f"""# Extractive question answering on {_dataset_name(facts)}

The encoder {checkpoint["name"]}{revision} ({config["model_type"]}{", " + size if size else ""}), fine-tuned by
[Spanline](#reproduce-it) to point at the answer to a question in a text, or to say that the text has none.
{_DEMONSTRATION if is_demonstration(facts.dataset, facts.trained) else ""}"""


def _use(facts: Facts) -> str:
    question, context, answer = _INVENTED if is_demonstration(facts.dataset, facts.trained) else _REAL
    return f"""## Use it

```python
from spanline.ask import load

qa = load("FOLDER")  # the folder with these files
question, context = "{question}", "{context}"
qa(question=question, context=context)["answer"]  # {answer}
qa(question=question, context=context, threshold="calibrated")["answer"]  # {answer}
```

The second call answers as the scores below were taken. `transformers.AutoModelForQuestionAnswering` loads the same
weights, where the encoder has a class of that kind; the search for the answer is then yours.

Intended use: finding short answers that occur word for word in an English text, for reading aids, search and research.
Not intended: questions that need several passages, arithmetic or a yes or no; decisions about people.
"""


def _intervals(intervals: dict[str, Any]) -> str:
    count = f"{intervals['articles']:,}"
    if "exact_low" not in intervals:
        return f"\nNo 95 % intervals: {count} articles are too few to tell how the scores move with new ones."
    ranges = [f"{name} {intervals[f'{name}_low']:.1f} to {intervals[f'{name}_high']:.1f}" for name in ("exact", "f1")]
    return f"\n95 % intervals of the answers as written, on new articles like the {count} here: {', '.join(ranges)}."


def _scores(facts: Facts) -> str:
    scores = facts.scores
    lines = ["| | exact | f1 | HasAns f1 | NoAns f1 | threshold (logits) |", "|---|---:|---:|---:|---:|---:|"]
    for key, name in _SCORES.items():
        if key in scores:
            row = scores[key]
            cells = [_number(row.get(column)) for column in ("exact", "f1", "HasAns_f1", "NoAns_f1")]
            lines.append(f"| {name} | {' | '.join(cells)} | {_number(row['null_score_diff_threshold'], 4)} |")
    text = f"""## Scores

Percent, as the official SQuAD v2 script counts them, on the validation split: {scores["answers"]["total"]:,} questions
that were neither trained on nor used to set the threshold.

{chr(10).join(lines)}
"""
    text += _intervals(scores["intervals_95_percent"])
    quality = scores.get("no_answer_probability")
    if quality:
        text += (
            f"\nThe probability of no answer has a Brier score of {quality['brier_score']:.3f} and an expected "
            f"calibration error of {quality['expected_calibration_error']:.3f}."
        )
    return f"{text}\n"


def _data(facts: Facts) -> str:
    lines = ["| split | articles | answerable | unanswerable |", "|---|---:|---:|---:|"]
    for name, split in facts.dataset["splits"].items():
        counts = [f"{split[key]:,}" if key in split else "" for key in ("articles", "answerable", "unanswerable")]
        lines.append(f"| {name} | {' | '.join(counts)} |")
    return f"""## Data

Source: {_dataset_name(facts)}. The threshold and the probability of no answer come from the calibration split, which is
a part of train that is not trained on.

{chr(10).join(lines)}
"""


def _parameters(facts: Facts) -> str:
    rows = [
        f"| {section}.{name} | {value} |"
        for section in ("featurize", "train", "answer_search", "postprocess", "calibrate")
        for name, value in sorted(facts.params[section].items())
    ]
    trained = facts.trained
    counts = f"{trained['features']:,} features ({trained['tokens']:,} tokens)"
    how = f"{trained['steps']:,} steps over {counts}; final loss\n{trained['final_loss'] or 0.0:.3f}."
    return f"""## Training

{how if trained["steps"] else "None: the checkpoint's model was taken as it is."}

| parameter | value |
|---|---|
{chr(10).join(rows)}
"""


def _limits(facts: Facts) -> str:
    return f"""## Limits

- It copies: an answer is a piece of the text, at most {facts.params["answer_search"]["max_answer_length"]} tokens long,
  true or not. What the text gets wrong, the answer gets wrong.
- English only, and texts like those of its training data; elsewhere the scores above say little.
- Texts beyond {facts.params["featurize"]["max_length"]} tokens are read in overlapping windows: an answer whose reasons
  lie far apart is found by luck.
- The threshold and the probability of no answer are tuned to {_expected(facts)}.
  Where that share is another, they are off.
- It has the prejudices of the texts that its encoder was trained on. Nothing was done against them.
"""


def _expected(facts: Facts) -> str:
    share = facts.params["calibrate"].get("unanswerable_share")  # of dvc.lock, which may be older than the key
    if share is None:
        return "the share of unanswerable questions in the calibration split"
    return f"the calibration split weighted to {100 * share:g} % unanswerable questions"


def _licences(facts: Facts) -> str:
    return f"""## Licences

- Encoder {facts.checkpoint["name"]}: {facts.encoder_licence}.
- Data: {facts.dataset["licence"] or "not stated; ask those who made it"}.
"""


def _reproduce(facts: Facts) -> str:
    commit = facts.commit.removesuffix("+")
    dirty = "\nThe working tree had changes beyond that commit.\n" if facts.commit.endswith("+") else ""
    return f"""## Reproduce it

In a clone of the project:

```
git checkout {commit}
make repro
```
{dirty}
`dvc.lock` of the run: sha256 {facts.lock_sha256}.
It holds the checksum of every input and output, this model's included.
"""


def _dataset_name(facts: Facts) -> str:
    """The source as dataset.json has it: the embedded corpus, the hub's name of it, or the files' names."""
    dataset: dict[str, Any] = facts.dataset
    if dataset["source"] == "synthetic":
        return "Spanline's embedded corpus"
    if dataset["source"] == "hub":
        return str(dataset["read"]["name"])
    return " and ".join(sorted({str(read["file"]) for read in dataset["read"].values()}))


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"
