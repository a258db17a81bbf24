"""docs/DATA.md: its worked example runs as it stands, and its table names every kind of flaw that the code knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from spanline import preset
from spanline.common.params import load
from spanline.dataset import splits
from spanline.download.params import Download
from tests.paths import ROOT
from tests.stages.test_download import run

PAGE = (ROOT / "docs" / "DATA.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of that language."""
    return PAGE.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_worked_example(tmp_path: Path) -> None:
    subprocess.run(["sh", "-e", "-c", block("sh")], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-c", block("python")], cwd=tmp_path, check=True)
    params, overlay = tmp_path / "params.yaml", tmp_path / "mine.yaml"
    params.write_bytes((ROOT / "params.yaml").read_bytes())
    overlay.write_text(block("yaml").replace("mine/", f"{tmp_path}/mine/"))
    preset.apply(overlay, params)
    for split in ("train", "validation"):
        code, lines = run(params, tmp_path / "squad")
        asked = re.fullmatch(
            rf"error: params\.yaml: download\.files\.{split}\.sha256 is null, .*set it to (\w+)", lines[0]
        )
        assert code == 1
        assert asked
        params.write_text(params.read_text().replace("sha256: null", f"sha256: {asked[1]}", 1))
    code, lines = run(params, tmp_path / "squad")
    assert code == 0, lines
    assert load(params, "download", Download).files.licence == "ours"
    found = {name: list(splits.read(tmp_path / "squad" / f"{name}.parquet")) for name in ("train", "calibration")}
    assert sorted(example.id for split in found.values() for example in split) == [f"q{n}" for n in range(1, 9)]
    assert len(found["calibration"]) in (2, 3)
    assert not (tmp_path / "squad" / "flaws.csv").exists()


def test_every_kind_of_flaw_is_on_the_page() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src/spanline/download").rglob("*.py")]
    kinds = {kind for text in sources for kind in re.findall(r'(?:Flaw\(|_malformed\(|return )"(\w+_\w+)"', text)}
    assert {"answer_nowhere", "id_repeated", "paragraph_form", "not_json", "answers_form"} <= kinds
    assert {kind for kind in kinds if f"`{kind}`" not in PAGE} == set()
