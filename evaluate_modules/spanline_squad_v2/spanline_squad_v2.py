"""Spanline's SQuAD v2 scorer as a module of `evaluate`: loads offline, and takes and gives what `squad_v2` does.

metric = evaluate.load("evaluate_modules/spanline_squad_v2")
metric.compute(predictions=predictions, references=references)
"""

import datasets
import evaluate

from spanline.common.errors import SpanlineError
from spanline.squad_v2 import sweep

_CITATION = """\
@inproceedings{rajpurkar-etal-2018-know,
  title = "Know What You Don't Know: Unanswerable Questions for {SQ}u{AD}",
  author = "Rajpurkar, Pranav and Jia, Robin and Liang, Percy",
  booktitle = "Proceedings of the 56th Annual Meeting of the Association for Computational Linguistics",
  year = "2018",
  url = "https://aclanthology.org/P18-2124"
}
"""
_DESCRIPTION = """\
The scores of the official SQuAD v2.0 script, to the last digit. Missing, unknown and repeated ids are refused.
"""
_INPUTS = """
Args:
    predictions: list of {"id": str, "prediction_text": str, "no_answer_probability": float}. Give best spans, not
        thresholded answers, if you look at best_exact and best_f1. no_answer_probability may be left out, of all
        predictions: then no best_* comes out, as from the official script without its na-prob file.
    references: list of {"id": str, "answers": {"text": list of str, "answer_start": list of int}}; no texts for an
        unanswerable question.
    no_answer_threshold: a question of higher no_answer_probability counts as answered "" (default 1.0: none does).
Returns:
    exact, f1, total; the same with HasAns_ and NoAns_; best_exact, best_exact_thresh, best_f1, best_f1_thresh.
    Percent, totals are counts; best_* is an oracle, tuned on the questions that it reports.
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _INPUTS)
class SpanlineSquadV2(evaluate.Metric):
    """Unlike `squad_v2` it keeps no_answer_probability in 64 bits: in 32, close values would tie."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "predictions": {
                        "id": datasets.Value("string"),
                        "prediction_text": datasets.Value("string"),
                        "no_answer_probability": datasets.Value("float64"),
                    },
                    "references": {
                        "id": datasets.Value("string"),
                        "answers": {
                            "text": datasets.Sequence(datasets.Value("string")),
                            "answer_start": datasets.Sequence(datasets.Value("int32")),
                        },
                    },
                }
            ),
            codebase_urls=["https://rajpurkar.github.io/SQuAD-explorer/"],
            reference_urls=["https://rajpurkar.github.io/SQuAD-explorer/"],
        )

    def add_batch(self, *, predictions=None, references=None, **kwargs):
        """As evaluate's own; the probabilities may be absent."""
        if predictions is not None:
            predictions = [_with_probability(row) for row in predictions]
        super().add_batch(predictions=predictions, references=references, **kwargs)

    def add(self, *, prediction=None, reference=None, **kwargs):
        """As evaluate's own; the probability may be absent."""
        super().add(prediction=_with_probability(prediction), reference=reference, **kwargs)

    def _compute(self, predictions, references, no_answer_threshold=sweep.NEVER):
        gold = _by_id("references", references, lambda row: row["answers"]["text"])
        texts = _by_id("predictions", predictions, lambda row: row["prediction_text"])
        na_prob = _by_id("predictions", predictions, lambda row: row["no_answer_probability"])
        absent = sum(value is None for value in na_prob.values())
        if 0 < absent < len(na_prob):
            what = f"{absent:,} of {len(na_prob):,} have no no_answer_probability"
            raise SpanlineError("predictions", what, "give it for all of them, or for none")
        return sweep.official_scores(gold, texts, None if absent else na_prob, no_answer_threshold)


def _with_probability(row):
    return {"no_answer_probability": None, **row} if isinstance(row, dict) else row


def _by_id(name, rows, value_of):
    by_id = {row["id"]: value_of(row) for row in rows}
    if len(by_id) < len(rows):
        raise SpanlineError(name, f"{len(rows) - len(by_id):,} ids occur again", "give every question once")
    return by_id
