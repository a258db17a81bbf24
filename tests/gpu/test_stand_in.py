"""The lines of a GPU, on a stand-in for one: what they compute is what a CPU does, bit by bit. A GPU's own arithmetic,
kernels and speed are `benchmarks.gpu`'s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spanline.ask import load as load_answerer
from spanline.common.errors import SpanlineError
from spanline.model import batches, device, resume, span_model
from spanline.predict.params import PredictParams
from spanline.predict.run import predict
from spanline.storage.features import Features
from spanline.storage.logits import Logits
from spanline.synthetic.corpus import examples
from spanline.train import loop, report
from tests.gpu import stand_in
from tests.make.answering import make_model
from tests.make.checkpoint import FAMILIES, make_checkpoint
from tests.make.features import make_features
from tests.make.fitting import ALWAYS_SAVING, lengths, params, train, weights

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    monkeypatch.setattr(report, "matmul_flops_per_s", lambda device, precision: 1e12)  # of a GPU, hours of a CPU
    with stand_in.gpu(monkeypatch) as found:
        yield found


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tiny_encoder, tmp_path_factory.mktemp("answering") / "model")


@pytest.fixture
def data() -> Features:
    return make_features(lengths(40), seed=3)


def test_the_stand_in_notices_what_a_gpu_would(gpu: torch.device) -> None:
    there, here = torch.ones(2, 3).to(gpu), torch.ones(2, 3)
    assert torch.equal((there + 1).cpu(), here + 1)
    assert (there * torch.tensor(2.0)).device == gpu  # a number comes along
    for mixed in (lambda: there + here, lambda: here.add_(there), lambda: torch.where(there > 0, here, there)):
        with pytest.raises(RuntimeError, match="is on the CPU, others on the GPU"):
            mixed()
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    with pytest.raises(RuntimeError, match="only memory of the CPU can be pinned"):
        there.pin_memory()
    with pytest.raises(ValueError, match="with a specified index"):
        torch.cuda.set_device(torch.device("cuda"))


@pytest.mark.parametrize("family", FAMILIES)
def test_training_is_that_of_a_cpu(family: str, data: Features, gpu: torch.device, tmp_path: Path) -> None:
    """Batches pinned and made ahead, numbers asked for now and then, the best epoch kept."""
    checkpoint = make_checkpoint(tmp_path / "checkpoint", family)
    p = params(epochs=2.0, batch_size=8, micro_batch_size=4, keep="best")
    expected, expected_report = train(checkpoint, data, p, tmp_path / "cpu", calibration=10)
    found, found_report = train(checkpoint, data, p, tmp_path / "gpu", calibration=10, device=gpu)
    assert {tensor.device for tensor in found.state_dict().values()} == {gpu}
    assert weights(found) == weights(expected)
    for part in ("result", "history", "epochs"):
        assert getattr(found_report, part) == getattr(expected_report, part)
    assert found_report.timings["device"] == "cuda:0"
    assert saved(found, checkpoint, tmp_path / "from_gpu") == saved(expected, checkpoint, tmp_path / "from_cpu")


def saved(spans: span_model.SpanModel, checkpoint: Path, folder: Path) -> bytes:
    folder.mkdir()
    span_model.save(spans, checkpoint, folder)
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("changes", [{"dropout": 0.1}, {"gradient_checkpointing": True}, {"layer_lr_decay": 0.8}])
def test_every_kind_of_training_is(
    changes: dict[str, Any], checkpoint: Path, data: Features, gpu: torch.device, tmp_path: Path
) -> None:
    p = params(epochs=1.0, **changes)
    expected, _ = train(checkpoint, data, p, tmp_path / "cpu")
    found, _ = train(checkpoint, data, p, tmp_path / "gpu", device=gpu)
    assert weights(found) == weights(expected)


def test_it_goes_on_after_a_kill_to_the_same_bytes(
    checkpoint: Path, data: Features, gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = params(epochs=2.0, keep="best", dropout=0.1)
    expected, _ = train(checkpoint, data, p, tmp_path / "cpu", calibration=10)
    keep = resume.save

    def save_then_die(folder: Path, step: int, state: dict[str, Any]) -> None:
        keep(folder, step, state)
        if step == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(resume, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint, data, p, tmp_path / "gpu", ALWAYS_SAVING, calibration=10, device=gpu)
    monkeypatch.setattr(resume, "save", keep)
    found, _ = train(checkpoint, data, p, tmp_path / "gpu", calibration=10, device=gpu)
    assert weights(found) == weights(expected)


def test_the_barrier_holds_until_the_host_looks(
    checkpoint: Path, data: Features, gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, calls = loop.span_loss, []

    def damaged(start_BT: torch.Tensor, end_BT: torch.Tensor, batch: batches.Batch) -> torch.Tensor:
        calls.append(batch)
        return compute(start_BT, end_BT, batch) * (torch.nan if len(calls) == 3 else 1.0)

    monkeypatch.setattr(loop, "span_loss", damaged)
    monkeypatch.setattr(report.Clock, "is_due", lambda clock: clock._state.step == 5)
    p = params(epochs=2.0, batch_size=8, micro_batch_size=8)
    with pytest.raises(SpanlineError, match="train, step 3: loss nan") as told:
        train(checkpoint, data, p, tmp_path / "gpu", device=gpu)
    assert len(calls) == 5
    assert "nothing was updated by it" in str(told.value)


def test_logits_are_those_of_a_cpu(checkpoint: Path, data: Features, gpu: torch.device) -> None:
    p = PredictParams(tokens_per_batch=64, precision="float32", instructions="avx2", deterministic=True)

    def logits(where: torch.device) -> Logits:
        return predict(
            span_model.pretrained(checkpoint, 1, 0.0).to(where).eval(), data, p, where, lambda lengths_B: None
        )

    expected, found = logits(torch.device("cpu")), logits(gpu)
    for one, other in ((expected.start, found.start), (expected.end, found.end)):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("encoder", ["auto", "transformers"])
def test_answers_are_those_of_a_cpu(encoder: Any, model: Path, gpu: torch.device) -> None:
    given = list(examples("validation", 1, 6))
    asked = {"question": [e.question for e in given], "context": [e.context for e in given]}
    same = {"encoder": encoder, "tokens_per_batch": 300}
    expected, found = (load_answerer(model, device=name, **same)(**asked) for name in ("cpu", "cuda"))
    assert found == expected


@pytest.mark.parametrize(("name", "index"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_a_gpu_has_a_number_by_whatever_name(
    name: str, index: int, gpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch.cuda.set_device takes no other."""
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert device.find(name) == torch.device("cuda", index)
    device.prepare(name, 1, "float32", False, "native")
    assert chosen == [torch.device("cuda", index)]


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_of_torchrun_has_a_gpu_of_its_own(
    name: str, gpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device.find(name) == torch.device("cuda", 3)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("auto", "torchrun: started 4 processes on a machine with 2 GPUs; start one for each: --nproc-per-node gpu"),
        ("cuda", "torchrun: started 4 processes on a machine with 2 GPUs; start one for each: --nproc-per-node gpu"),
        (
            "cuda:1",
            "params.yaml: 'runtime.device' is 'cuda:1', one GPU for the 4 processes that torchrun started here; "
            "set it to auto, which gives each its own",
        ),
    ],
)
def test_processes_that_would_share_a_gpu_are_refused(
    name: str, line: str, gpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    with pytest.raises(SpanlineError) as refused:
        device.find(name)
    assert str(refused.value) == line


def test_a_device_without_float64_trains_too(
    checkpoint: Path, data: Features, gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Apple's."""
    monkeypatch.setattr(stand_in.OnDevice, "has_float64", False)
    with pytest.raises(TypeError, match="no float64"):
        torch.ones(2, dtype=torch.float64, device=gpu)
    expected, _ = train(checkpoint, data, params(), tmp_path / "cpu", calibration=10)
    found, _ = train(checkpoint, data, params(), tmp_path / "gpu", calibration=10, device=gpu)
    assert weights(found) == weights(expected)
