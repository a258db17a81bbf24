"""No code of a model's folder runs, and nobody is asked whether it may: each way in is one line of refusal."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spanline import checkpoint, model_folder
from spanline.ask import fast_bert
from spanline.ask.answerer import load as load_answerer
from spanline.common.errors import SpanlineError
from spanline.common.params import check
from spanline.featurize.run import model_positions
from spanline.model import resume, span_model

EVIL = "import pathlib; pathlib.Path(__file__).with_name('ran').touch()\n"
AUTO_MAP = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}
ASKS_FOR_CODE = [
    ({"auto_map": AUTO_MAP}, "auto_map"),
    ({"auto_map": AUTO_MAP, "model_type": "evil"}, "auto_map"),
    ({"text_config": {"auto_map": AUTO_MAP}}, "auto_map"),
    ({"custom_pipelines": {"evil": {"impl": "evil.Evil"}}}, "custom_pipelines"),
    ({"attn_implementation": "someone/evil-kernel"}, "attn_implementation"),
    ({"_attn_implementation": {"": "someone/evil"}}, "_attn_implementation"),
    ({"transformers_weights": "adapter_model.bin"}, "transformers_weights"),
    ({"quantization_config": {"quant_method": "evil"}}, "quantization_config"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A model as train leaves it."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    folder.mkdir()
    span_model.save(span_model.pretrained(tiny_encoder, 1, None), tiny_encoder, folder)
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it with code beside it, and nobody at the keyboard: to be asked anything is an error."""
    copy = tmp_path / "model"
    copy.mkdir()
    for file in whole.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "evil.py").write_text(EVIL)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    return copy


def change(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def copied(folder: Path) -> Path:
    """Through the checkpoint stage."""
    blocks = {
        "source": "path",
        "path": {"folder": str(folder), "sha256": {}},
        "package": {"name": "a", "folder": "b", "distribution": "c", "version": "1", "sha256": {}},
        "hub": {"name": "a/b", "revision": "0" * 40, "sha256": {}},
    }
    out = folder.parent / "copied"
    out.mkdir()
    checkpoint.write_checkpoint(check(Path("params.yaml"), "checkpoint", blocks, checkpoint.Checkpoint), out)
    return out


WAYS_IN: dict[str, Callable[[Path], Any]] = {
    "checkpoint": copied,
    "featurize": lambda folder: model_positions(folder / "config.json"),
    "train": lambda folder: span_model.pretrained(folder, 1, None),
    "predict": span_model.load,
    "ask": load_answerer,
    "ask, fast": fast_bert.load,
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize(("entries", "key"), ASKS_FOR_CODE)
def test_a_config_that_asks_for_code_is_refused(folder: Path, way: str, entries: dict[str, Any], key: str) -> None:
    change(folder / "config.json", **entries)
    with pytest.raises(SpanlineError, match=rf"config\.json: asks for .* \('{key}'\)"):
        WAYS_IN[way](folder)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("way", ["checkpoint", "train", "predict"])
def test_so_is_a_tokenizers_that_would_be_passed_on(folder: Path, way: str) -> None:
    change(folder / "tokenizer_config.json", auto_map=AUTO_MAP)
    with pytest.raises(SpanlineError, match=r"tokenizer_config\.json: asks for Python code of its own \('auto_map'\)"):
        WAYS_IN[way](folder)


@pytest.mark.parametrize("entries", [{"auto_map": {}}, {"_attn_implementation": "sdpa"}])
def test_what_asks_for_nothing_is_no_harm(folder: Path, entries: dict[str, Any]) -> None:
    change(folder / "config.json", **entries)
    for way in WAYS_IN.values():
        way(folder)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[]", "is no JSON object"),
        ("[" * 2000 + "]" * 2000, "not JSON: lists or objects lie too deep in each other"),
        ('{"hidden_size": ' + "1" * 5000 + "}", "not JSON: Exceeds the limit"),
        ('{"hidden_size": "16"}', "'hidden_size' is '16', not a count of at most 131,072"),
        ('{"num_hidden_layers": 1000000000}', "'num_hidden_layers' is 1000000000, not a count of at most 1,000"),
        ('{"vocab_size": NaN}', "not JSON: NaN is no number"),
    ],
)
def test_other_configs_are_one_line(folder: Path, content: str, what: str) -> None:
    (folder / "config.json").write_text(content)
    for way in WAYS_IN.values():
        with pytest.raises(SpanlineError) as caught:
            way(folder)
        assert caught.value.what.startswith(what)
        (folder.parent / "copied").rmdir() if (folder.parent / "copied").exists() else None


@pytest.mark.parametrize("way", ["predict", "ask"])
@pytest.mark.parametrize("entries", [{"num_hidden_layers": 1}, {"hidden_size": 8}, {"num_attention_heads": 3}])
def test_a_config_that_does_not_fit_the_weights_is_one_line(folder: Path, way: str, entries: dict[str, int]) -> None:
    change(folder / "config.json", **entries)
    with pytest.raises(SpanlineError, match=r"model\.safetensors: |config\.json: "):
        WAYS_IN[way](folder)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_never_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in a checkpoint, of which weights alone are read, nor as a resume point: .scratch may be anybody's."""
    content = pickle.dumps(Evil(folder / "ran"))
    (folder / "pytorch_model.bin").write_bytes(content)
    span_model.load(folder)
    (folder / "model.safetensors").rename(folder / "hidden")
    with pytest.raises(SpanlineError, match=r"pytorch_model\.bin: can't be read as weights alone \(UnpicklingError\)"):
        WAYS_IN["checkpoint"](folder)
    for way in ("train", "predict", "ask"):
        with pytest.raises(SpanlineError, match=r"model\.safetensors"):
            WAYS_IN[way](folder)
    (folder / "points").mkdir()
    (folder / "points" / "000000007.pt").write_bytes(content)
    assert resume.load(folder / "points") is None
    assert "is damaged (UnpicklingError): passed over" in capsys.readouterr().err
    assert not (folder / "ran").exists()


def test_every_call_of_transformers_refuses_code() -> None:
    """Of the library's loaders, wherever one is called; a new call without it fails here."""
    root = Path(model_folder.__file__).parents[2]
    calls = [
        (path.name, text[: text.index(")") + 1])
        for folder in ("src", "stages", "tools", "benchmarks")
        for path in sorted((root / folder).rglob("*.py"))
        for text in path.read_text(encoding="utf-8").split("Auto")[1:]
        if ".from_" in text.partition("\n")[0]
    ]
    assert len(calls) >= 5
    assert [call for call in calls if "trust_remote_code=False" not in call[1] and "loads it too" not in call[1]] == []


EDITS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "weights": (
        lambda folder: flip(folder / "model.safetensors"),
        r"model\.safetensors: is not the one that was trained",
    ),
    "layers": (
        lambda folder: change(folder / "config.json", num_hidden_layers=1),
        r"config\.json: is not the one that",
    ),
    "missing": (lambda folder: (folder / "tokenizer.json").unlink(), r"tokenizer\.json: is missing, though"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json: there is no such file"),
    "foreign": (
        lambda folder: (folder / "manifest.json").write_text("{}"),
        r"manifest\.json: is no manifest of a model",
    ),
}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("edit", EDITS)
def test_a_model_that_was_edited_after_training_is_refused(whole: Path, tmp_path: Path, edit: str) -> None:
    copy = tmp_path / "model"
    copy.mkdir()
    for file in whole.iterdir():
        if file.name != "tokenizer_config.json":  # which the fixture changed
            (copy / file.name).write_bytes(file.read_bytes())
    model_folder.write_manifest(copy)
    model_folder.check_manifest(copy)
    EDITS[edit][0](copy)
    with pytest.raises(SpanlineError, match=EDITS[edit][1]):
        model_folder.check_manifest(copy)
