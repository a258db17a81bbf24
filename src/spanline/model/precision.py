"""The kinds of arithmetic; apart from `device`, so that whoever only names one needs no torch."""

from __future__ import annotations

from typing import Literal

Precision = Literal["float32", "tf32", "bfloat16"]
Instructions = Literal["avx2", "native"]
