"""What has been claimed of training, prediction and asking on a GPU, in this process: a function per claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.work import Line, Work, checkpoint, losses, prepare, random_features, train, train_params
from spanline.ask import load as load_answerer
from spanline.common import files
from spanline.common.errors import SpanlineError
from spanline.model import batches, span_model
from spanline.model.device import arithmetic, synchronize
from spanline.model.distributed import ALONE
from spanline.predict.params import PredictParams
from spanline.predict.run import predict
from spanline.storage.features import Features
from spanline.synthetic.corpus import examples
from spanline.train.epoch_scores import evaluate
from spanline.train.loop import Barrier
from spanline.train.optimizer import adamw

LOGIT_TOLERANCE = 1e-4  # of float32, between devices
HEAD_SCALE = 25  # a new head's logits are so small that no difference would show; a trained one's are of about 3
LOSS_TOLERANCE = {"float32": 1e-3, "tf32": 1e-2, "bfloat16": 5e-2}  # of the mean loss, as a share


def small(work: Work) -> Features:
    return random_features(32 if work.tiny else 256, 600, 3, 128)


def precisions(work: Work) -> Iterator[Line]:
    """train in each precision, deterministic and not: the losses of float32 on a CPU but for rounding."""
    data, cpu = small(work), Work(torch.device("cpu"), work.tiny, work.folder, work.ends)
    common = {"dropout": 0.0, "batch_size": 8, "micro_batch_size": 8}
    expected = np.mean(losses(train(cpu, "small", data, train_params(**common, precision="float32"))[1]))
    for precision in ("float32", "tf32", "bfloat16"):
        for deterministic in (True, False):
            p = train_params(**common, precision=precision, deterministic=deterministic)
            found = np.mean(losses(train(work, "small", data, p)[1]))
            share = abs(found - expected) / expected
            name = f"train, {precision}, {'deterministic' if deterministic else 'any kernel'}"
            good = share <= LOSS_TOLERANCE[precision]
            yield Line(
                name, "ok" if good else "failed", f"mean loss {found:.4f}, on a CPU {expected:.4f}", {"share": share}
            )


def checkpointing(work: Work) -> Iterator[Line]:
    """Gradient checkpointing: the same losses with less memory."""
    found = []
    for wanted in (False, True):
        changes = {"dropout": 0.0, "batch_size": 32, "micro_batch_size": 32, "gradient_checkpointing": wanted}
        shape = "small" if work.tiny else "BERT-base"
        data = random_features(32 if work.tiny else 64, 600, 3, 128 if work.tiny else 384)
        report = train(work, shape, data, train_params(**changes))[1]
        found.append((np.mean(losses(report)), report.timings["peak_memory_mib"]))
    (plain, much), (again, little) = found
    good = abs(plain - again) < 1e-3 * plain and (little < much or not work.on_gpu)
    text = f"mean loss {again:.4f} against {plain:.4f}, {little:,} MiB against {much:,} MiB"
    yield Line("gradient checkpointing", "ok" if good else "failed", text, {"peak_mib": [much, little]})


def compiled(work: Work) -> Iterator[Line]:
    """torch.compile: the same losses."""
    name = "torch.compile"
    if not work.on_gpu:
        yield Line(name, "skipped", "takes a minute of a CPU and a C++ compiler; on a GPU it is run")
        return
    data, changes = small(work), {"dropout": 0.0, "precision": "bfloat16"}
    plain, fast = (
        np.mean(losses(train(work, "small", data, train_params(**changes, compile=c))[1])) for c in (False, True)
    )
    good = abs(plain - fast) < 1e-2 * plain
    yield Line(name, "ok" if good else "failed", f"mean loss {fast:.4f} against {plain:.4f}")


def keep_best(work: Work) -> Iterator[Line]:
    """keep: best gives the weights of the epoch that scored best."""
    data = small(work)
    p = train_params(epochs=3.0, keep="best", learning_rate=1e-3, dropout=0.0)
    spans, report = train(work, "small", data, p, calibration=16)
    tokens = int(data.lengths.max()) * p.micro_batch_size
    again = evaluate(spans, data.take(np.arange(16)), tokens, p.precision, work.device, ALONE)
    best = max(row["calibration_token_f1"] for row in report.epochs)
    good = math.isclose(again["token_f1"], best, rel_tol=1e-4, abs_tol=1e-6)
    yield Line(
        "keep: best", "ok" if good else "failed", f"token F1 {again['token_f1']:.4f}, best of 3 epochs {best:.4f}"
    )


def same_bytes(work: Work) -> Iterator[Line]:
    """Two trainings in one process: the same bytes, dropout included."""
    p = train_params(dropout=0.1, precision="bfloat16" if work.on_gpu else "float32", deterministic=True)
    runs = [train(work, "small", small(work), p)[0].state_dict() for _ in range(2)]
    differ = [name for name, tensor in runs[0].items() if not torch.equal(tensor, runs[1][name])]
    found = f"of {len(runs[0])} tensors {len(differ)} differ"
    yield Line("two runs, deterministic: the same bytes", "failed" if differ else "ok", found)


def agreement(work: Work) -> Iterator[Line]:
    """predict in float32 on this device and on a CPU: the same logits within 1e-4, the same scores."""
    shape = "small" if work.tiny else "MiniLM-L6"
    data = random_features(16 if work.tiny else 64, 600, 5, 128 if work.tiny else 384)
    p = PredictParams(tokens_per_batch=4096, precision="float32", instructions="avx2", deterministic=True)
    found, scores = [], []
    for where in (torch.device("cpu"), work.device):
        prepare(Work(where, work.tiny, work.folder, work.ends), train_params(precision="float32", deterministic=True))
        spans = span_model.pretrained(checkpoint(work, shape), 1, 0.0).to(where).eval()
        with torch.no_grad():
            spans.head.weight.mul_(HEAD_SCALE)
        logits = predict(spans, data, p, where, lambda lengths_B: None)
        found.append(np.concatenate([logits.start.values, logits.end.values]))
        scores.append(evaluate(spans, data, 4096, "float32", where, ALONE))
    spans.eval()  # evaluate puts it back to training
    difference = float(np.abs(found[0] - found[1]).max())
    good = difference <= LOGIT_TOLERANCE
    yield Line(
        "predict: logits as on a CPU, float32", "ok" if good else "failed", f"differ by {difference:.1e} at most"
    )
    names = ("start_accuracy", "end_accuracy", "token_f1")
    equal = all(math.isclose(scores[0][name], scores[1][name], abs_tol=1e-9) for name in names)
    shown = ", ".join(f"{name} {scores[1][name]:.4f}" for name in names)
    yield Line("predict: scores as on a CPU", "ok" if equal else "failed", shown)
    for precision in ("tf32", "bfloat16"):
        prepare(work, train_params(precision=precision, deterministic=False))
        logits = predict(
            spans, data, p.model_copy(update={"precision": precision}), work.device, lambda lengths_B: None
        )
        off = float(np.abs(np.concatenate([logits.start.values, logits.end.values]) - found[0]).max())
        good = off < 0.5 and math.isfinite(off)
        yield Line(
            f"predict, {precision}", "ok" if good else "failed", f"differs by {off:.1e} at most", {"difference": off}
        )


def asking(work: Work) -> Iterator[Line]:
    """ask: the answers of the CPU, in float32 and bfloat16."""
    spans, _ = train(work, "small", small(work), train_params(dropout=0.0))
    folder = work.folder / "model"
    with files.new_folder(folder, ["*"]) as out:
        span_model.save(spans, checkpoint(work, "small"), out)
    given = [e for e in examples("validation", 1, 24) if len(e.context) < 800][:12]
    questions, contexts = [e.question for e in given], [e.context for e in given]
    on_cpu = load_answerer(folder, device="cpu", workers=1)(question=questions, context=contexts)
    for precision, tolerance in (("float32", 1e-3), ("bfloat16", 5e-2)):
        qa = load_answerer(folder, device=str(work.device), precision=precision)  # type: ignore[arg-type]
        answers = qa(question=questions, context=contexts)
        off = max(abs(a["score"] - b["score"]) for a, b in zip(answers, on_cpu, strict=True))
        same = sum(a["answer"] == b["answer"] for a, b in zip(answers, on_cpu, strict=True))
        good = off < tolerance and (same == len(given) or precision == "bfloat16")
        found = f"{same} of {len(given)} answers equal, scores differ by {off:.1e} at most"
        yield Line(f"ask, {precision}", "ok" if good else "failed", found)


def barrier(work: Work) -> Iterator[Line]:
    """A loss that is not finite: no update by it or after it, and the step is named."""
    module = torch.nn.Module()
    module.weight = torch.nn.Parameter(torch.ones(3, 3, device=work.device))
    optimizer = adamw(module, 0.1, (0.9, 0.999), 1e-8, 0.0)
    closing, values = Barrier(optimizer, work.device), []
    for norm in (1.0, math.nan, 1.0):
        module.weight.grad = torch.full((3, 3), norm, device=work.device)
        closing.close_if_not_finite(*(torch.tensor(value, device=work.device) for value in (1.0, norm)))
        optimizer.step()
        values.append(module.weight.detach().clone())
    held = not torch.equal(values[0], torch.ones_like(values[0])) and all(torch.equal(v, values[0]) for v in values[1:])
    try:
        train(work, "small", small(work), train_params(learning_rate=1e30, max_grad_norm=1e30, warmup_fraction=0.0))
        said = "training went on"
    except SpanlineError as error:
        said = f"{error.where}: {error.what}"
    good = held and said.startswith("train, step ")
    yield Line("the barrier against what is not finite", "ok" if good else "failed", said[:70])


def overlap(work: Work) -> Iterator[Line]:
    """Batches made ahead in pinned memory: the GPU waits for none, and no copy comes from pageable memory."""
    shape = "small" if work.tiny else "MiniLM-L6"
    data = random_features(64 if work.tiny else 32 * 40, 600, 6, 128 if work.tiny else 384)
    p = train_params(
        batch_size=32, micro_batch_size=32, precision="bfloat16" if work.on_gpu else "float32", deterministic=False
    )
    if work.on_gpu:
        train(work, shape, data.take(np.arange(32 * 4)), p)  # warm-up
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if work.on_gpu else [ProfilerActivity.CPU]
    with profile(activities=activities) as profiled:
        train(work, shape, data, p, most_rows=3)
        synchronize(work.device)
    events = [e for e in profiled.events() if e.device_type == DeviceType.CUDA and not e.is_user_annotation]
    if not events:
        yield Line("batches made ahead", "skipped", "no device at work here that a profile could show")
        return
    # the loop's own part: from the first step's forward pass to the last copy of a batch
    copies = [e for e in events if "Memcpy HtoD" in e.name]
    pageable = sum("Pageable" in e.name for e in copies)
    steps = [e for e in copies if "Pinned" in e.name]
    if not steps:
        yield Line("batches made ahead", "failed", f"no copy from pinned memory among {len(copies)}")
        return
    first, last = steps[len(steps) // 4].time_range.start, steps[-1].time_range.start  # the first quarter settles
    busy = _covered([(e.time_range.start, e.time_range.end) for e in events], first, last)
    share = busy / (last - first)
    found = f"GPU busy {share:.0%} of the time, {len(steps)} copies from pinned memory, {pageable} from pageable"
    yield Line("batches made ahead", "ok" if share >= 0.9 else "failed", found, {"busy": share, "pageable": pageable})


def _covered(spans: list[tuple[float, float]], first: float, last: float) -> float:
    """How much of [first, last] the intervals cover together."""
    covered, reached = 0.0, first
    for start, end in sorted(spans):
        start, end = max(start, reached), min(end, last)
        if end > start:
            covered += end - start
            reached = end
    return covered


def device_placement(work: Work) -> Iterator[Line]:
    """A batch and a model on the device meet there, and the loss comes back from it."""
    data, p = small(work), train_params()
    prepare(work, p)
    spans = span_model.pretrained(checkpoint(work, "small"), 1, 0.0).to(work.device)
    made = batches.collate(data, np.arange(8), spans.pad_token_id)
    batch = (made.pinned() if work.on_gpu else made).to(work.device)
    with arithmetic(work.device, "bfloat16"):
        start_BT, end_BT = spans(batch)
    loss = span_model.span_loss(start_BT, end_BT, batch)
    loss.backward()
    places = {parameter.grad.device.type for parameter in spans.parameters() if parameter.grad is not None}
    good = places == {work.device.type} and math.isfinite(loss.item()) and start_BT.dtype == torch.float32
    yield Line(
        "device placement", "ok" if good else "failed", f"gradients on {', '.join(places)}, loss {loss.item() / 8:.3f}"
    )


CHECKS: dict[str, Callable[[Work], Iterator[Line]]] = {
    "placement": device_placement,
    "precisions": precisions,
    "agreement": agreement,
    "ask": asking,
    "same_bytes": same_bytes,
    "barrier": barrier,
    "keep_best": keep_best,
    "checkpointing": checkpointing,
    "overlap": overlap,
    "compile": compiled,
}
