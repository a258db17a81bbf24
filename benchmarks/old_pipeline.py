"""The other side of `benchmarks.ask`: transformers' own question-answering pipeline, in an environment that has it.

Run by that environment's Python, so it imports nothing of Spanline. It reads requests as JSON lines from stdin, a model
first and then lists of questions with settings, and answers each with a line: versions, or seconds and answers.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any


def main() -> None:
    import torch
    import transformers

    asked = json.loads(sys.stdin.readline())
    torch.set_num_threads(asked["threads"])
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    folder = asked["model"]
    pipeline = transformers.pipeline("question-answering", model=folder, tokenizer=folder, device="cpu")
    reply({"transformers": transformers.__version__, "torch": torch.__version__, "threads": torch.get_num_threads()})
    for line in sys.stdin:
        asked = json.loads(line)
        gc.collect()
        gc.disable()
        started = time.perf_counter()
        answers = pipeline(question=asked["questions"], context=asked["contexts"], **asked["settings"])
        seconds = time.perf_counter() - started
        gc.enable()
        reply({"seconds": seconds, "answers": answers})


def reply(content: Any) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
