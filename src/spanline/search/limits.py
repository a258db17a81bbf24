"""Which gold answers no span can give, because answer_search.max_answer_length is shorter than they are."""

from __future__ import annotations

from spanline.search.params import AnswerSearchParams
from spanline.storage.features import num_longer
from spanline.storage.shards import Manifest


def limits(manifest: Manifest, params: AnswerSearchParams) -> dict[str, int]:
    """The limit in tokens, and how many answerable questions of these features have only gold answers above it; empty
    where nobody counted."""
    longer = num_longer(manifest, params.max_answer_length)
    return {} if longer is None else {"max_answer_length": params.max_answer_length, "answers_longer": longer}


def line(found: dict[str, int]) -> str:
    """What a stage says of `limits`: nothing where every answer can be given."""
    if not found.get("answers_longer"):
        return ""
    limit = f"answer_search.max_answer_length {found['max_answer_length']}"
    return f"{found['answers_longer']:,} answerable questions have no gold answer within {limit}: never right in full"
