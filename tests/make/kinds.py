"""Tokenizers of the kinds that people bring, and texts in many scripts with what normalizers drop or merge.

The tokenizers are trained on the texts, so that they know their characters and have pieces of words in all scripts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from tests.paths import ROOT

TEXTS: dict[str, str] = json.loads((ROOT / "tests" / "data" / "scripts.json").read_text(encoding="utf-8"))


def words_of(text: str) -> list[tuple[str, int]]:
    """The words between whitespace, each with the character at which it starts."""
    found, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        found.append((word, at))
        at += len(word)
    return found


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
BYTES = pre_tokenizers.ByteLevel.alphabet()
CLASSIC = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
GPT_PATTERN = r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def _trained(model: Any, trainer: Any, normalizer: Any, pre_tokenizer: Any, post_processor: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(list(TEXTS.values()) * 3 + ["the end of a plain line, 1902"], trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    template = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ids)
    tokenizer.post_processor = template if post_processor is None else post_processor(template, dict(ids))
    return tokenizer


def word_piece(normalizer: Any, pre_tokenizer: Any = None) -> Tokenizer:
    trainer = trainers.WordPieceTrainer(vocab_size=700, special_tokens=SPECIAL, show_progress=False)
    model = models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100)
    return _trained(model, trainer, normalizer, pre_tokenizer or pre_tokenizers.BertPreTokenizer())


def byte_level(normalizer: Any, pre_tokenizer: Any, post_processor: Any) -> Tokenizer:
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=SPECIAL, initial_alphabet=BYTES, show_progress=False)
    return _trained(models.BPE(), trainer, normalizer, pre_tokenizer, post_processor)


def byte_pairs(normalizer: Any, pre_tokenizer: Any, **model: Any) -> Tokenizer:
    """Of characters; those that the training texts lack make no token at all."""
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIAL, show_progress=False)
    return _trained(models.BPE(**model), trainer, normalizer, pre_tokenizer)


def unigram(normalizer: Any, pre_tokenizer: Any = None) -> Tokenizer:
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False)
    return _trained(models.Unigram(), trainer, normalizer, pre_tokenizer or pre_tokenizers.Metaspace())


def word_level(normalizer: Any) -> Tokenizer:
    trainer = trainers.WordLevelTrainer(vocab_size=900, special_tokens=SPECIAL, show_progress=False)
    return _trained(models.WordLevel(unk_token="[UNK]"), trainer, normalizer, pre_tokenizers.Whitespace())


def _roberta(add_prefix_space: bool, trim_offsets: bool = True) -> Callable[[Any, dict[str, int]], Any]:
    def processor(_: Any, ids: dict[str, int]) -> Any:
        special = (("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
        return processors.RobertaProcessing(*special, trim_offsets=trim_offsets, add_prefix_space=add_prefix_space)

    return processor


def _byte_then(template: Any, _: dict[str, int]) -> Any:
    return processors.Sequence([processors.ByteLevel(trim_offsets=True), template])


def robbert() -> Tokenizer:
    """Each word gets a blank before it, so that trimming takes a letter away."""
    parts = [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Punctuation()]
    return byte_level(None, pre_tokenizers.Sequence(parts), _roberta(True))


def _llama() -> Tokenizer:
    normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    return byte_pairs(normalizer, pre_tokenizers.Split("\u2581", "merged_with_next"), unk_token="[UNK]", fuse_unk=True)


def _qwen() -> Tokenizer:
    split = pre_tokenizers.Split(Regex(GPT_PATTERN), "isolated")
    parts = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return byte_level(normalizers.NFC(), parts, _byte_then)


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "bert uncased": lambda: word_piece(normalizers.BertNormalizer(lowercase=True)),
    "bert cased": lambda: word_piece(normalizers.BertNormalizer(lowercase=False, strip_accents=False)),
    "bert, accents stripped in order": lambda: word_piece(CLASSIC),
    "bert, composed": lambda: word_piece(normalizers.NFC()),
    "bert, decomposed": lambda: word_piece(normalizers.NFD()),
    "word pieces at spaces": lambda: word_piece(normalizers.NFKC(), pre_tokenizers.WhitespaceSplit()),
    "words": lambda: word_level(normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()])),
    "roberta": lambda: byte_level(None, pre_tokenizers.ByteLevel(add_prefix_space=False), _roberta(False)),
    "roberta with a blank before": lambda: byte_level(None, pre_tokenizers.ByteLevel(), _roberta(True)),
    "bytes, blanks kept": lambda: byte_level(
        None, pre_tokenizers.ByteLevel(add_prefix_space=False), _roberta(False, False)
    ),
    "bytes, composed": lambda: byte_level(
        normalizers.NFC(), pre_tokenizers.ByteLevel(add_prefix_space=False), _byte_then
    ),
    "bytes, accents stripped": lambda: byte_level(
        CLASSIC, pre_tokenizers.ByteLevel(add_prefix_space=False), _byte_then
    ),
    "qwen": _qwen,
    "robbert": robbert,
    "albert": lambda: unigram(
        normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    ),
    "unigram": lambda: unigram(normalizers.NFKC()),
    "unigram after spaces": lambda: unigram(
        normalizers.Nmt(), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    ),
    "llama": _llama,
    "clip": lambda: byte_pairs(CLASSIC, pre_tokenizers.Whitespace(), end_of_word_suffix="</w>", fuse_unk=False),
}


@cache
def tokenizer_json(kind: str) -> str:
    """The tokenizer of this kind as its file; trained once."""
    return str(KINDS[kind]().to_str())
