#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains small tokenizers and writes the ids that the sentencepiece and tiktoken libraries give: what text_tests compare with.

Usage: make_sentencepiece_reference.py OUT_DIR [--texts N] [--seed N] [--small]
OUT_DIR is tests/data/sentencepiece, with --small
Needs sentencepiece and tiktoken.
"""
import argparse
import base64
import io
import json
import random
import tempfile
from pathlib import Path

import sentencepiece as spm
import tiktoken

# name: how it is trained, beside model_type and vocab_size
MODELS = {
    "bpe_llama": dict(model_type="bpe", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                      split_digits=True, allow_whitespace_only_pieces=True),
    "bpe_gemma": dict(model_type="bpe", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                      add_dummy_prefix=False, split_digits=True, bos_id=2, eos_id=1, pad_id=0, unk_id=3,
                      user_defined_symbols=["<mask>", "\n", "\n\n", "▁▁", "▁▁▁", "<b>", "</b>"], control_symbols=["<start_of_turn>"]),
    "bpe_nfkc": dict(model_type="bpe", vocab_size=500, normalization_rule_name="nmt_nfkc", user_defined_symbols=["[X]", "un", "ß"]),
    "bpe_suffix": dict(model_type="bpe", vocab_size=400, normalization_rule_name="nfkc_cf", treat_whitespace_as_suffix=True),
    "unigram_t5": dict(model_type="unigram", vocab_size=500, normalization_rule_name="nmt_nfkc", bos_id=-1, eos_id=1, pad_id=0, unk_id=2),
    "unigram_bytes": dict(model_type="unigram", vocab_size=800, byte_fallback=True, normalization_rule_name="nfkc_cf", remove_extra_whitespaces=False,
                          user_defined_symbols=["<sep>", "er", "▁▁"]),
    "unigram_plain": dict(model_type="unigram", vocab_size=400, normalization_rule_name="identity", add_dummy_prefix=False, split_by_whitespace=False),
}
CORPUS = """The quick brown fox jumps over the lazy dog. A server answers requests; a scheduler decides who computes how many tokens next.
It's raining, they'll be late: we'd better wait until 12:45 or 1,234.56 seconds have passed. The longest words are uninteresting.
Der schnelle braune Fuchs springt über den faulen Hund. Größe, Maß und Übermut; die Straße führt über 25 Brücken.
Le renard brun saute par-dessus le chien paresseux. Où êtes-vous allés cet été ? Ça n'a pas d'importance, n'est-ce pas ?
El zorro marrón salta sobre el perro perezoso. ¿Dónde está la niña pequeña? ¡Mañana por la mañana!
Быстрая коричневая лиса прыгает через ленивую собаку. Где находится ближайшая станция? Спасибо большое.
敏捷的棕色狐狸跳过懒狗。今天的天气很好，我们去公园散步吧。人工智能模型回答问题。
素早い茶色の狐がのろまな犬を飛び越える。今日は天気がいいですね。カタカナとひらがなと漢字。
빠른 갈색 여우가 게으른 개를 뛰어넘는다. 오늘은 날씨가 좋습니다. 안녕하세요.
الثعلب البني السريع يقفز فوق الكلب الكسول. كيف حالك اليوم؟ शुभ प्रभात, आप कैसे हैं? สวัสดีครับ วันนี้อากาศดี
def forward(self, x):\n    return self.linear(x) + 1  # a comment\n\nfor i in range(10):\n        print(i, "hello", 'world')
<html><body><b>bold</b> &amp; <i>italic</i></body></html> {"key": [1, 2, 3], "other": null} aaaa aaaaaaaa ------ ====== ........
ﬁne ﬂow ½ ² Ⅷ ① ＡＢＣ　ｆｕｌｌ ｶﾀｶﾅ e\u0301a\u0308 \u00a0 \u200b \u2028 \u3000 🙂 👨‍👩‍👧‍👦 🚀
"""
POOLS = ["abcdefghijklmnopqrstuvwxyz", "ETAOINSHRDLU", "0123456789.,", "     ", "\t\n\r \u00a0\u3000\u200b", "äöüßéñçøåÄÖÜ", "的是不了在有我他这人工智能天气", "あいうカタカナ今日", "лисаБыстрая",
         "가나다여우", "اللغةعربية", "हिन्दी", "ไทยครับ", "🙂🚀👩‍💻🏽", "!?#$%&*()[]{}<>|/\\'\"`~^_+-=:;@", "e\u0301\u0308ﬁ½Ⅷ①ＡｶﾞＢ", "▁▁▁"]
SPECIAL = ["▁", "▁▁", "<unk>", "<s>", "</s>", "<0x41>", "<mask>", "<b>", "</b>", "[X]", "<sep>", "\n\n", "   ", "\x00", "\ufffd", "aaaa", "----------", "<start_of_turn>"]


# Where a charsmap is to be small: the real ones have 240 kB.
RULES = {"\t": " ", "\n": " ", "\u00a0": " ", "\u3000": " ", "\u200b": "", "ﬁ": "fi", "½": "1/2", "ＡＢＣ": "abc", "Ａ": "a", "e\u0301": "é", "ｶﾞ": "ガ", "ｶ": "カ", "Å": "å", "①": "1 "}


def texts(count, seed):
    rng = random.Random(seed)
    lines = CORPUS.splitlines()
    words = CORPUS.split()
    made = ["", " ", "  ", "\n", "a", " a", "a ", "  two  spaces  ", "▁", " ▁ ", "\u3000x\u3000", *lines]
    made += [c * n for c in "a -\n.=▁1🙂é" for n in (2, 3, 5, 17, 60)]
    while len(made) < count:
        kind = rng.random()
        if kind < 0.4:
            text = "".join(rng.choice(words) + rng.choice([" ", " ", "  ", "", "\n"]) for _ in range(rng.randint(1, 12)))
        elif kind < 0.8:
            text = "".join(rng.choice(rng.choice(POOLS)) for _ in range(rng.randint(1, 40)))
        elif kind < 0.95:
            text = "".join(rng.choice([*SPECIAL, rng.choice(words), rng.choice(rng.choice(POOLS)), " "]) for _ in range(rng.randint(1, 12)))
        else:
            text = "".join(chr(c) for c in (rng.randrange(0x110000) for _ in range(12)) if not 0xD800 <= c < 0xE000)
        made.append(text)
    return made[:count]


def train(name, small):
    model = io.BytesIO()
    settings = dict(MODELS[name])
    rules = None
    if small and settings["normalization_rule_name"] != "identity":
        rules = tempfile.NamedTemporaryFile("w", suffix=".tsv")
        rules.write("".join(" ".join(f"{ord(c):X}" for c in old) + "\t" + " ".join(f"{ord(c):X}" for c in new) + "\n" for old, new in RULES.items()))
        rules.flush()
        del settings["normalization_rule_name"]
        settings["normalization_rule_tsv"] = rules.name
    spm.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS.splitlines() * 2), model_writer=model, character_coverage=0.9995, hard_vocab_limit=False,
                                   num_threads=1, minloglevel=2, max_sentencepiece_length=12, **settings)
    return model.getvalue()


def byte_pairs(count):
    """Ranks of a byte-level BPE: the most frequent pair of the corpus is the next token."""
    ranks = {bytes([b]): b for b in range(256)}
    import regex
    pieces = [[bytes([b]) for b in piece.encode()] for piece in regex.findall(SPLIT, CORPUS + " " * 20 + "\n" * 9 + "-" * 40)]
    while len(ranks) < count:
        pairs = {}
        for piece in pieces:
            for pair in zip(piece, piece[1:]):
                if pair[0] + pair[1] not in ranks:
                    pairs[pair] = pairs.get(pair, 0) + 1
        best = max(pairs, key=lambda p: (pairs[p], p))
        ranks[best[0] + best[1]] = len(ranks)
        for piece in pieces:
            i = 0
            while i + 1 < len(piece):
                if (piece[i], piece[i + 1]) == best:
                    piece[i:i + 2] = [best[0] + best[1]]
                i += 1
    return ranks


SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--texts", type=int, default=250)
    parser.add_argument("--seed", type=int, default=20261129)
    parser.add_argument("--small", action="store_true", help="own rules for characters instead of Unicode's")
    options = parser.parse_args()
    print("seed", options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    inputs = texts(options.texts, options.seed)
    reference = {"texts": inputs, "models": {}}
    for name in MODELS:
        path = options.out / f"{name}.model"
        path.write_bytes(train(name, options.small))
        model = spm.SentencePieceProcessor(model_file=str(path))
        ids = [model.encode(text) for text in inputs]
        reference["models"][name] = {"ids": ids, "bos": model.bos_id(), "eos": model.eos_id(), "unk": model.unk_id()}
        print(name, model.vocab_size(), "pieces,", path.stat().st_size, "bytes")
    ranks = byte_pairs(700)
    lines = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())
    (options.out / "ranks.tiktoken").write_bytes(lines)
    encoding = tiktoken.Encoding("small", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
    reference["tiktoken"] = [encoding.encode_ordinary(text) for text in inputs]
    (options.out / "reference.json").write_text(json.dumps(reference, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
