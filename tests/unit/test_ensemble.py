"""The average of logits is that of each token; its answers are those of the stages; other features are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spanline import ensemble
from spanline.common.errors import SpanlineError
from spanline.ensemble import Member
from spanline.storage import features, logits
from tests.make.project import files_of, make_project, random_logits, run_stage, write_logits, write_params


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One split, which serves as both; two more runs with random logits."""
    data = make_project(tmp_path / "project")
    for name, seed in (("one", 1), ("two", 2)):
        write_logits(tmp_path / "project" / name, data, random_logits(data, seed), tmp_path / "project" / "features")
    return tmp_path / "project"


def member(project: Path, name: str, features_folder: str = "features") -> Member:
    def both(path: str) -> dict[str, Path]:
        return dict.fromkeys(ensemble.SPLITS, project / path)

    return Member(name, both("squad.parquet"), both(features_folder), both(name))


def written(project: Path, *names: str) -> Path:
    out = project / "-".join(["out", *names])
    ensemble.write([member(project, name) for name in names], project / "params.yaml", out)
    return out


def test_each_token_has_the_mean_of_its_logits(project: Path) -> None:
    manifest = features.manifest(project / "features")
    parts = [logits.read(project / name, manifest) for name in ("logits", "one", "two")]
    found = logits.read(written(project, "logits", "one", "two") / "logits" / "validation", manifest)
    for side in ("start", "end"):
        values = [[float(x) for x in getattr(part, side).values] for part in parts]
        expected = [np.float32(sum(token) / 3) for token in zip(*values, strict=True)]
        assert getattr(found, side).values.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-7)
        assert (getattr(found, side).bounds == getattr(parts[0], side).bounds).all()


def test_the_order_makes_no_difference(project: Path) -> None:
    one, other = (written(project, *names) for names in (("one", "two", "logits"), ("logits", "two", "one")))
    assert files_of(one) == files_of(other)
    for name in files_of(one):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_answers_are_those_of_the_stages_on_the_average(project: Path) -> None:
    """The stages calibrate and postprocess, run as programs on the folder of averaged logits."""
    out = written(project, "one", "two")
    common = ["--squad", "squad.parquet", "--features", "features", "--logits", f"{out.name}/logits/validation"]
    assert run_stage(project, "calibrate", *common, "--out", "calibration.json")[0] == 0
    code, lines = run_stage(project, "postprocess", *common, "--calibration", "calibration.json", "--out", "answers")
    assert code == 0, lines
    assert (project / "calibration.json").read_bytes() == (out / "calibration.json").read_bytes()
    pairs = {name: [folder / "answers" / name for folder in (project, out)] for name in files_of(project / "answers")}
    stages, ours = (json.loads(path.read_text()) for path in pairs.pop("na_prob.json"))
    assert ours == pytest.approx(stages, rel=1e-12)  # this process has numpy's exp of its own processor
    for stage, our in pairs.values():
        assert stage.read_bytes() == our.read_bytes()


def test_other_features_are_one_line(project: Path) -> None:
    shutil.copytree(project / "features", project / "others")
    manifest = project / "others" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("doc_stride", "doc_strides"))
    data = features.read(features.manifest(project / "features"))
    write_logits(project / "three", data, random_logits(data, 3), project / "others")
    members = [member(project, "one"), member(project, "three")]
    with pytest.raises(SpanlineError) as error:
        ensemble.write(members, project / "params.yaml", project / "out")
    what = "three: has other features of calibration than one, so their logits cannot be averaged"
    assert str(error.value) == f"{what}; train it with the same featurize section, encoder and questions"
    assert not (project / "out").exists()


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("one",), "spanline ensemble: one run is no ensemble; name two or more, or a pattern"),
        (("one", "one"), "one: has the same logits of calibration as one; name each run once; runs must differ, in "),
    ],
)
def test_what_is_no_ensemble_is_one_line(project: Path, names: tuple[str, ...], line: str) -> None:
    with pytest.raises(SpanlineError) as error:
        written(project, *names)
    assert str(error.value).startswith(line)


def test_the_answers_go_by_params(project: Path) -> None:
    """At a threshold that nothing reaches every question is answered with ""."""
    write_params(project, postprocess={"null_score_diff_threshold": -1000.0})
    predictions = (written(project, "one", "two") / "answers" / "predictions.json").read_text()
    assert {line.split(": ")[1].rstrip(",") for line in predictions.splitlines()[1:-1]} == {'""'}
