"""Products by oneDNN: their values, what stays torch's, and the same bytes on processors of other makers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.profiler import profile

from spanline.common.arithmetic import is_x86
from spanline.model import products

SOURCE = Path(__file__).with_name("other_processor.c")
MAKERS = ("GenuineIntel", "AuthenticAMD")
# What a transformer computes, forwards and backwards, at lengths below and above the sizes of the libraries' blocks.
COMPUTE = """
import hashlib
import torch
from spanline.model import device
device.prepare("cpu", 2, "float32", True, {instructions!r})
torch.manual_seed(17)
digest = hashlib.sha256()
for length in (7, 80, 215, 384):
    layer = torch.nn.TransformerEncoderLayer(96, 3, 192, 0.0, "gelu", batch_first=True)
    head = torch.nn.Linear(96, 2)
    hidden = torch.randn(5, length, 96, requires_grad=True)
    mask = torch.arange(length) > length - 3
    logits = head(layer(hidden, src_key_padding_mask=mask.expand(5, -1)))
    logits.log_softmax(1).square().mean().backward()
    for tensor in (logits, hidden.grad, *(weights.grad for weights in (*layer.parameters(), *head.parameters()))):
        digest.update(tensor.detach().numpy().tobytes())
print(torch.backends.cpu.get_cpu_capability(), digest.hexdigest())
"""
needs_onednn = pytest.mark.skipif(
    not (is_x86() and torch.backends.mkldnn.is_available()), reason="oneDNN's products are for x86-64"
)


@pytest.fixture
def onednn() -> Iterator[None]:
    products.use_onednn(True)
    yield
    products.use_onednn(False)


def operators(run: Callable[[], object]) -> set[str]:
    with profile() as seen:
        run()
    return {event.key for event in seen.key_averages()}


@needs_onednn
@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("rows", [1, 2, 7, 64, 300])
@pytest.mark.parametrize(("inner", "columns"), [(384, 2), (384, 384), (96, 1), (1, 5)])
def test_products_are_those_of_float64(rows: int, inner: int, columns: int) -> None:
    torch.manual_seed(rows)
    a, b, added = torch.randn(rows, inner), torch.randn(inner, columns), torch.randn(columns)
    exact = a.double() @ b.double()
    bound = 1e-6 * (a.double().abs() @ b.double().abs() + added.abs())
    for product, wanted in (
        (a @ b, exact),
        (a.t().contiguous().t() @ b.t().contiguous().t(), exact),  # both transposed in memory
        (torch.addmm(added, a, b), exact + added),
        (torch.addmm(added, a, b, beta=0.5, alpha=2), 0.5 * added + 2 * exact),
    ):
        assert product.dtype == torch.float32
        assert ((product - wanted).abs() <= 2 * bound).all()


@needs_onednn
@pytest.mark.usefixtures("onednn")
def test_gradients_pass_through() -> None:
    torch.manual_seed(17)
    layer, given = torch.nn.Linear(6, 4).double(), torch.randn(3, 5, 6, dtype=torch.float64)
    layer(given).square().sum().backward()
    wanted = [weights.grad for weights in layer.parameters()]
    layer.float().zero_grad()
    assert "mkldnn::_linear_pointwise" in operators(lambda: layer(given.float()).square().sum().backward())
    for weights, exact in zip(layer.parameters(), wanted, strict=True):
        assert exact is not None
        torch.testing.assert_close(weights.grad, exact.float())


@pytest.mark.usefixtures("onednn")
def test_other_types_empty_tensors_and_errors_stay_torchs() -> None:
    whole = torch.arange(6).reshape(2, 3)
    assert (whole @ whole.t()).tolist() == [[5, 14], [14, 50]]
    assert (whole.double() @ whole.double().t()).tolist() == [[5, 14], [14, 50]]
    assert (whole.bfloat16() @ whole.bfloat16().t()).tolist() == [[5, 14], [14, 50]]
    assert (torch.ones(2, 0) @ torch.ones(0, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert torch.addmm(torch.ones(3), torch.ones(2, 0), torch.ones(0, 3)).tolist() == [[1, 1, 1], [1, 1, 1]]
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        torch.ones(2, 3) @ torch.ones(2, 3)


@needs_onednn
def test_who_computes_is_switched_off_and_on() -> None:
    one, name = torch.ones(8, 8), "mkldnn::_linear_pointwise"
    for is_wanted in (True, False, True, False):
        products.use_onednn(is_wanted)
        assert products.are_onednns() == is_wanted
        assert (name in operators(lambda: one @ one)) == is_wanted


@pytest.fixture(scope="module")
def other_processor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that answers CPUID."""
    folder = tmp_path_factory.mktemp("processor")
    compiler = shutil.which("gcc")
    if compiler is None or sys.platform != "linux" or not is_x86():
        pytest.skip("needs gcc on x86-64 Linux")
    subprocess.run([compiler, "-DCHECK", "-o", folder / "check", SOURCE], check=True)
    if subprocess.run([folder / "check"], check=False).returncode:
        pytest.skip("this processor's CPUID can't be made to trap")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", folder / "other.so", SOURCE], check=True)
    return folder / "other.so"


def computed(instructions: str, library: Path | None = None, maker: str = "") -> list[str]:
    """What the processor is taken for, and the digest of what it computes."""
    env = dict(os.environ)
    if library:
        env |= {"LD_PRELOAD": str(library), "MAKER": maker}
    code = COMPUTE.format(instructions=instructions)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


@needs_onednn
def test_the_bytes_are_those_of_processors_without_avx512_whoever_made_them(other_processor: Path) -> None:
    here = computed("avx2")
    assert here[0] == "AVX2"
    assert {maker: computed("avx2", other_processor, maker) for maker in MAKERS} == dict.fromkeys(MAKERS, here)


def test_the_other_processors_are_others(other_processor: Path) -> None:
    """Without the limit they do compute differently: the test above could fail."""
    capability, digest = computed("native", other_processor, "GenuineIntel")
    assert capability == "AVX2"
    assert computed("native", other_processor, "AuthenticAMD")[1] != digest
