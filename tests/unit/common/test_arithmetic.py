"""What computes in a stage or in the command line has AVX2 and no more, whatever the processor."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spanline.common import arithmetic
from tests.paths import ROOT

FEATURES = (
    "import numpy\n"
    "from numpy._core._multiarray_umath import __cpu_features__ as has, __cpu_dispatch__ as compiled\n"
    "print(sorted(name for name in compiled if has[name]))\n"
)


@pytest.mark.skipif(not arithmetic.is_x86(), reason="not an x86-64 processor")
@pytest.mark.parametrize("first", ["import stages.score", "import spanline.cli.main", "import spanline.cli.compare"])
def test_numpy_uses_avx2_and_no_more(first: str) -> None:
    code = f"{first}\n{FEATURES}"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("['X86_V3']\n", "")


@pytest.mark.skipif(not arithmetic.is_x86(), reason="not an x86-64 processor")
def test_the_probability_of_no_answer_rounds_the_same_everywhere() -> None:
    """The bits that AVX2 gives; numpy's `exp` for AVX-512 gives others for some of these."""
    code = (
        "import stages.score, numpy, hashlib\n"
        "from spanline.no_answer.probability import no_answer_probability\n"
        "x = numpy.linspace(-20, 20, 100001)\n"
        "print(hashlib.sha256(no_answer_probability(x, 0.37, 0.11).tobytes()).hexdigest())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "750f9634655d5ec25c62611027536c32cc8f18ff6cde1d117fd2506dcd9db89d\n"
