"""YAML as DVC reads and writes it: by YAML 1.2, in which 1e-05 is a number."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML


def load(text: str) -> Any:
    return YAML(typ="safe").load(text)


def dump(content: Any) -> str:
    """In the order of the keys."""
    yaml, text = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(content, text)
    return text.getvalue()
