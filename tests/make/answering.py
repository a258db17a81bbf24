"""A question-answering model made from a seed: the tiny encoder with weights large enough for its answers to differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spanline.model import span_model
from spanline.synthetic.corpus import examples

# the settings and the calibration of a release, small enough for several windows per context
EVALUATED: dict[str, dict[str, Any]] = {
    "featurize": {
        "max_length": 64,
        "doc_stride": 16,
        "max_question_length": 20,
        "long_questions": "cut",
        "rows_per_shard": 100,
    },
    "answer_search": {"max_answer_length": 9, "max_context": True, "top_n": None},
    "postprocess": {"n_best_size": 7, "null_score_diff_threshold": "calibrated"},
    "predict": {"tokens_per_batch": 300, "precision": "float32", "instructions": "avx2", "deterministic": True},
    "calibration": {"null_score_diff_threshold": -7.5, "slope": 0.5, "intercept": 4.0},
}


def make_model(encoder: Path, folder: Path) -> Path:
    """A folder as the train stage leaves one; the model knows nothing, but is sure of it."""
    import torch

    folder.mkdir(parents=True)
    spans = span_model.pretrained(encoder, 5, None).eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in spans.parameters():
            parameter += torch.randn(parameter.shape, generator=generator) * (0.1 if parameter.ndim > 1 else 0.02)
        spans.head.weight *= 4
    span_model.save(spans, encoder, folder)
    return folder


def questions(count: int) -> list[tuple[str, str]]:
    """Pairs of question and context of the embedded corpus."""
    return [(example.question, example.context) for example in examples("validation", 3, count)][:count]
