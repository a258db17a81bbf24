"""What the first tab says of a run as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from spanline.report import overview


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"source": "package", "package": {"distribution": "a-b", "version": "0.1"}}, ("a-b", "0.1")),
        ({"source": "path", "path": {"folder": "/home/ann/models/mine"}}, ("mine", "")),
        ({"source": "hub", "hub": {"name": "a/b", "revision": "0" * 40}}, ("a/b", "0" * 40)),
    ],
)
def test_the_encoder_is_named_by_the_parameters(section: dict[str, Any], named: tuple[str, str]) -> None:
    assert overview.encoder({"checkpoint": section}) == named
    assert overview.encoder({}) == ("", "")
