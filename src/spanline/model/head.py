"""The span head in a file of weights: one linear layer that gives each token a start and an end logit.

It is found by its name, before anything is loaded: a checkpoint of an encoder alone has none, and the heads of some
families (ModernBERT's, BigBird's, Splinter's) are more than one layer, which is another model than `SpanModel`.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from spanline.common.errors import SpanlineError

STOCK_HEAD = "qa_outputs"  # the head's name in the ...ForQuestionAnswering classes
OWN_HEAD = "span_head"  # its name when transformers has no class of the same form: never half-loaded by mistake


def find(weights: Path) -> str | None:
    """The head's name in the safetensors file `weights`, None where it has no head of one linear layer with two rows.

    SpanlineError for a file that can't be read.
    """
    try:
        with safe_open(weights, framework="pt") as file:
            names = set(file.keys())
            for name in (STOCK_HEAD, OWN_HEAD):
                if {f"{name}.weight", f"{name}.bias"} <= names:
                    return name if file.get_slice(f"{name}.weight").get_shape()[0] == 2 else None
    except (OSError, SafetensorError) as error:
        raise SpanlineError(weights, f"can't be read ({str(error).splitlines()[0]})", "make or fetch it anew") from None
    return None


def read(weights: Path, name: str) -> dict[str, Tensor]:
    """`weight` (2, H) and `bias` (2,) of the head `name`, as `find` gave it."""
    with safe_open(weights, framework="pt") as file:
        return {part: file.get_tensor(f"{name}.{part}").float() for part in ("weight", "bias")}
