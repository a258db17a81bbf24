"""A tiny encoder made from a seed: a BERT of two layers and a WordPiece vocabulary trained on the embedded corpus."""

from __future__ import annotations

from pathlib import Path

from spanline.synthetic.corpus import examples

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_tokenizer(folder: Path, vocab_size: int) -> None:
    """Write tokenizer.json: BERT's normalizer, WordPiece, and `[CLS] A [SEP] B [SEP]`."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    texts = [text for e in examples("train", 1, 400) for text in (e.context, e.question)]
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))


def make_encoder(folder: Path) -> Path:
    """A checkpoint folder: config.json, model.safetensors (random from a seed), tokenizer.json."""
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True)
    make_tokenizer(folder, 600)
    config = BertConfig(
        vocab_size=600,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        BertModel(config).save_pretrained(folder)
    return folder
