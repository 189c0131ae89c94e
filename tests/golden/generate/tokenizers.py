"""Makes tests/golden/tokenizers: small tokenizers of every kind, their GGUF metadata, and ids from transformers.

Run: python tests/golden/generate/tokenizers.py   (needs tokenizers, transformers, sentencepiece, jinja2)
The vocabularies are trained here on the text below, so that nothing of anyone's model is stored.
SMOLLM2=path/to/SmolLM2-135M-Instruct.gguf adds ids of the real tokenizer (ids only; needs gguf).
"""

import sys

# This file is named like the package it needs.
sys.path.pop(0)

import io
import json
import os
from pathlib import Path

import jinja2
import sentencepiece
import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

OUT = Path(__file__).resolve().parent.parent / "tokenizers"

PARAGRAPHS = [
    "The lighthouse keeper wrote in her journal every evening, and she'd never missed a day. It's been raining, "
    "we're told, since the 3rd of March 2019; I'll believe it when they've measured 12345 millimetres. Don't worry!",
    "Once upon a time there was a small engine that could not pull the train. They'll say it was the hill's fault, "
    "but the engine knew better: 'I think I can,' it said, again and again, thinking of the others who had tried.",
    "def fibonacci(n: int) -> int:\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)\n\n"
    "for (let i = 0; i < values.length; i++) {\n\tconsole.log(`${i}: ${values[i]}`);\n}\n",
    "Die Möwen flogen über das Meer, während die Fischer ihre Netze flickten. Größe, Straße, Äpfel und Übermut.",
    "Les élèves ont mangé des crêpes à la fête de l'école; ça coûtait déjà 3,50 € l'année dernière.",
    "El niño corrió detrás de la pelota. ¿Dónde está mañana? ¡Qué día más extraño!",
    "Быстрая коричневая лиса прыгает через ленивую собаку. Привет, мир! Как дела сегодня?",
    "Η γρήγορη αλεπού πηδά πάνω από το τεμπέλικο σκυλί. ΟΔΟΣ ΚΑΙ ΛΟΓΟΣ.",
    "今天天气很好，我们一起去公园散步吧。学习语言需要时间和耐心。你好，世界！",
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。カタカナもあります。",
    "안녕하세요 세계. 오늘은 날씨가 참 좋습니다. 함께 산책을 갈까요?",
    "مرحبا بالعالم. هذا نص قصير باللغة العربية لتجربة التقطيع. كيف حالك اليوم؟",
    "नमस्ते दुनिया। यह हिंदी में एक छोटा सा वाक्य है। आज मौसम बहुत अच्छा है।",
    "สวัสดีชาวโลก วันนี้อากาศดีมาก", "שלום עולם, מה שלומך היום?",
    "Numbers: 0 1 2 3 10 100 1000 1234567890 3.14159 2,718 1e-5 0xFF 2024-01-31 12:34:56 100% 50°C",
    "Emoji are fun: 😀 😃 🚀 ❤️ 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 and so on.",
    '{"name": "value", "list": [1, 2, 3], "nested": {"ok": true, "no": null}}\n<div class="box">text</div>\n',
]
TEXT = PARAGRAPHS + [word for p in PARAGRAPHS for word in (p.lower(), p)] * 2

SAMPLES = [
    "", " ", "  ", "a", " a", "a ", "Hello, world!", "hello world", " leading and trailing ", "The engine's lighthouse",
    "I'll they've WE'RE don't IT'S 'tis ''", "x\ty\t\tz", "line one\nline two\r\n\r\nline three\n\n\n", "   \n  \t \n",
    "a   b    c     d", "def f(x):\n    return x ** 2\n\n\n\tif y:\n\t\tpass", "tabs\u00a0and\u3000odd\u2003spaces\u200band\u0085more\ufeffhere",
    "0", "12", "123", "1234", "12345678901234567890", "3.14 1,000,000 v2.0.1 x86_64", "٣٤٥ १२३ ①②③ ½ ² Ⅷ 四五",
    "😀", "😀😃🚀", "👨‍👩‍👧‍👦 family 🏳️‍🌈 👍🏽 ❤️ 🇫🇷", "今天天气很好，我们去公园。", "吾輩は猫である。カタカナ ひらがな", "안녕하세요 세계", "مرحبا بالعالم، كيف حالك؟",
    "नमस्ते दुनिया। यह हिंदी है", "สวัสดีชาวโลก", "שלום עולם", "Быстрая лиса ПРЫГАЕТ", "ΟΔΟΣ Λόγος ΛΟΓΟΣ. İstanbul ǅ", "Größe Straße naïve café",
    "cafe\u0301 nai\u0308ve \u1e9b\u0323 \u212b \ufb01", "mixed中文English日本語한국어", "https://example.org/path?q=1&r=a%20b#frag", "user@example.com",
    "<|endoftext|>", "a<|endoftext|>b", "<|im_start|>user\nhi<|im_end|>\n", " <|im_end|> ", "<|im_end|><|im_end|>", "<|im_end", "<|im_end|",
    "<s>[INST] hi [/INST]</s>", "x <s> y </s> z", "<unk> <pad>", "[CLS] text [SEP] [MASK] [UNK]", "<think>\nhm\n</think>ok", "<0x41><0xE2>",
    "<bos><start_of_turn>user\nhi<end_of_turn>\n", "\n", "\n\n\n\n\n", "\t\t\t", " " * 20 + "x" + " " * 40, "▁literal▁mark", "Ġliteral Ċ",
    "{\"a\": [1, 2, {\"b\": null}]}", "!!!???...", "... --- ~~~ === +++", "$100 <= €200 ^ `code` |pipe|", "#include <stdio.h>\nint main(){}",
    "CamelCaseWordsAndHTTPServer snake_case kebab-case", "__proto__ constructor toString", "\u0000\u0001\u001f\u007f", "\ufffd\ufffd", "𝒳𝓎𐍈𠜎𠜱", "a\u0300\u0301\u0302b",
    "end with space ", "\ud800", "a\udc00b", "x\ud83dy\ude00", "ends \ud83d",
]

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
O200K_WORD = r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
O200K_REST = r"""| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
DEEPSEEK_CJK = "[一-龥\u0800-一가-\ud7ff]+"
BLOOM = r""" ?[^(\s|[.,!?…。，、।۔،])]+"""


def split(regex, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(regex), behavior, invert)


def chain(*steps):
    return pre_tokenizers.Sequence(list(steps))


def byte_level(use_regex=False, prefix=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex)


def splits(*regexes):
    return chain(*[split(r) for r in regexes], byte_level())


# Pre-tokenizers as the published tokenizer.json files of these families have them, by GGUF's name.
PRESETS = {
    "gpt-2": byte_level(use_regex=True),
    "llama-bpe": splits(LLAMA3),
    "dbrx": splits(LLAMA3),
    "qwen2": splits(QWEN2),
    "qwen35": splits(QWEN35),
    "smollm": chain(pre_tokenizers.Digits(individual_digits=True), byte_level(use_regex=True)),
    "command-r": chain(pre_tokenizers.Digits(individual_digits=True), byte_level(use_regex=True)),
    "deepseek-v3": splits(
        r"\p{N}{1,3}",
        "[一-龥\u3040-ゟ゠-ヿ]+",
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    ),
    "deepseek-coder": chain(
        split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(DEEPSEEK_CJK),
        pre_tokenizers.Digits(individual_digits=True), byte_level(),
    ),
    "falcon": chain(
        pre_tokenizers.Punctuation("contiguous"), byte_level(use_regex=True),
        pre_tokenizers.Digits(individual_digits=False), split("[0-9][0-9][0-9]"),
    ),
    "gpt-4o": splits(O200K_WORD + r"|\p{N}{1,3}" + O200K_REST),
    "tekken": splits(O200K_WORD.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "") + r"|\p{N}" + O200K_REST),
    "bloom": splits(BLOOM),
}
NFC_PRESETS = {"qwen2", "qwen35", "command-r"}
IGNORE_MERGES = {"llama-bpe", "tekken"}

# Pre-tokenizers that only a tokenizer.json can hold.
JSON_ONLY = {
    "merged-previous": chain(split(r"[aeiou ]", "merged_with_previous"), byte_level()),
    "merged-next": chain(split(r"[aeiou ]", "merged_with_next"), byte_level()),
    "contiguous": chain(split(r"[aeiou ]", "contiguous"), byte_level()),
    "removed": chain(split(r"[aeiou]", "removed"), byte_level()),
    "inverted": chain(split(r"\w+|[^\w\s]+", "removed", True), byte_level()),
    "whitespace": chain(pre_tokenizers.Whitespace(), byte_level()),
    "whitespace-split": chain(pre_tokenizers.WhitespaceSplit(), byte_level()),
    "punctuation": chain(pre_tokenizers.Punctuation(), byte_level()),
    "prefix-space": byte_level(use_regex=True, prefix=True),
    "digits-joined": chain(pre_tokenizers.Digits(individual_digits=False), byte_level(use_regex=True)),
    "bert": chain(pre_tokenizers.BertPreTokenizer(), byte_level()),
}


def well_formed(text):
    return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text)


def encode_all(tokenizer, texts=SAMPLES):
    """Ids as transformers gives them; then without special tokens around, special texts as plain text; then decoded."""
    fast = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer.to_str()))
    backend = fast.backend_tokenizer
    rows = []
    for text in texts:
        text = well_formed(text)
        ids = fast(text)["input_ids"]
        assert ids == tokenizer.encode(text).ids
        plain = fast(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        rows.append([ids, plain if plain != ids else None, backend.decode(ids), backend.decode(ids, skip_special_tokens=False)])
    return rows


def compact(rows):
    return [r[:2] + [r[2], r[3] if r[3] != r[2] else None] for r in rows]


def write(name, data):
    versions = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__,
                "sentencepiece": sentencepiece.__version__, "jinja2": jinja2.__version__}
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({"madeWith": versions, **data}, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size)


def train_bpe(pre_tokenizer, special, size, normalizer=None):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizer
    if normalizer:
        tok.normalizer = normalizer
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(TEXT, trainer)
    return tok


def table(tok):
    """Tokens by id and GGUF's token types: 1 normal, 3 control, 4 user-defined."""
    vocab = tok.get_vocab(with_added_tokens=True)
    tokens = [t for t, _ in sorted(vocab.items(), key=lambda kv: kv[1])]
    added = tok.get_added_tokens_decoder()
    return tokens, [(3 if added[i].special else 4) if i in added else 1 for i in range(len(tokens))]


def merges_of(tok):
    return [" ".join(m) if isinstance(m, list) else m for m in json.loads(tok.to_str())["model"]["merges"]]


def gguf_bpe(tok, pre, **extra):
    tokens, types = table(tok)
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre, "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": types, "tokenizer.ggml.merges": merges_of(tok), **extra}


def bpe_goldens():
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tok = train_bpe(chain(pre_tokenizers.Digits(individual_digits=True), byte_level(use_regex=True)), special, 900)
    id_of = tok.token_to_id
    ids = {"tokenizer.ggml.bos_token_id": id_of("<|im_start|>"), "tokenizer.ggml.eos_token_id": id_of("<|im_end|>"),
           "tokenizer.ggml.add_bos_token": False}
    write("bpe-smollm", {"tokenizer": json.loads(tok.to_str()), "gguf": gguf_bpe(tok, "smollm", **ids), "rows": compact(encode_all(tok))})

    tok = train_bpe(splits(LLAMA3), special, 900)
    tok.model.ignore_merges = True
    tok.add_tokens([AddedToken("<think>", special=False, normalized=False), AddedToken("</think>", special=False, normalized=False)])
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]),
    ])
    write("bpe-llama3", {"tokenizer": json.loads(tok.to_str()),
                         "gguf": gguf_bpe(tok, "llama-bpe", **{"tokenizer.ggml.bos_token_id": 0}), "rows": compact(encode_all(tok))})

    # One vocabulary with long, unruly tokens; every pre-tokenizer cuts it differently.
    base = train_bpe(chain(split(r"[\s\S]{1,12}"), byte_level()), ["<|endoftext|>"], 900)
    texts = [t for t in SAMPLES if len(t) > 2] + PARAGRAPHS
    presets = {}
    for name, pre in {**PRESETS, **JSON_ONLY}.items():
        base.pre_tokenizer = pre
        base.normalizer = normalizers.NFC() if name in NFC_PRESETS else None
        base.model.ignore_merges = name in IGNORE_MERGES
        full = json.loads(base.to_str())
        presets[name] = {"pre_tokenizer": full["pre_tokenizer"], "normalizer": full["normalizer"],
                         "ignore_merges": full["model"]["ignore_merges"], "gguf": name in PRESETS,
                         "ids": [base.encode(well_formed(t)).ids for t in texts]}
    base.pre_tokenizer, base.normalizer, base.model.ignore_merges = byte_level(), None, False
    write("pre-tokenizers", {"tokenizer": json.loads(base.to_str()), "texts": texts, "presets": presets})


def train_sentencepiece(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for p in TEXT for line in p.split("\n") if line), model_writer=model, model_type="bpe",
        vocab_size=1100, byte_fallback=True, character_coverage=0.98, split_digits=True, allow_whitespace_only_pieces=True,
        remove_extra_whitespaces=False, normalization_rule_name="identity", minloglevel=2, num_threads=1, **options)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def merges_from_scores(pieces):
    """As transformers' SentencePieceExtractor makes them: by score, then by the ids of the two halves."""
    vocab = {piece: i for i, (piece, _) in enumerate(pieces)}
    merges = []
    for piece, score in pieces:
        local = [(piece[:i], piece[i:], score) for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
        merges.extend(sorted(local, key=lambda m: (vocab[m[0]], vocab[m[1]])))
    return [(left, right) for left, right, _ in sorted(merges, key=lambda m: m[2], reverse=True)]


def sentencepiece_goldens():
    kinds = {"control": 3, "unknown": 2, "unused": 5, "byte": 6}

    def read(sp):
        n = sp.get_piece_size()
        kind = lambda i: 2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1
        return [(sp.id_to_piece(i), sp.get_score(i)) for i in range(n)], [kind(i) for i in range(n)]

    def bpe(pieces, user=()):
        normal = [p for i, p in enumerate(pieces)]
        vocab = {p: i for i, (p, _) in enumerate(pieces)}
        return models.BPE(vocab=vocab, merges=merges_from_scores(normal), unk_token="<unk>", fuse_unk=True, byte_fallback=True)

    sp = train_sentencepiece(bos_id=1, eos_id=2, unk_id=0)
    pieces, types = read(sp)
    gguf = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": [p for p, _ in pieces], "tokenizer.ggml.scores": [s for _, s in pieces],
            "tokenizer.ggml.token_type": types, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
            "tokenizer.ggml.unknown_token_id": 0}
    strip = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    template = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    special = [AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")]

    tok = Tokenizer(bpe(pieces))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder, tok.post_processor = decoders.Sequence(strip), template
    tok.add_special_tokens(special)
    write("spm-llama", {"tokenizer": json.loads(tok.to_str()), "gguf": gguf, "rows": compact(encode_all(tok))})

    # `legacy: false`: a space only before the very first piece of text.
    tok.normalizer = None
    tok.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    write("spm-llama-first", {"tokenizer": json.loads(tok.to_str()), "rows": compact(encode_all(tok))})

    # Gemma: no space in front, runs of spaces and newlines as user-defined pieces.
    runs = ["\n" * n for n in range(1, 5)] + ["▁" * n for n in range(2, 9)] + ["<table>"]
    sp = train_sentencepiece(bos_id=2, eos_id=1, unk_id=3, pad_id=0, add_dummy_prefix=False, bos_piece="<bos>", eos_piece="<eos>",
                             user_defined_symbols=runs, control_symbols=["<start_of_turn>", "<end_of_turn>"])
    pieces, types = read(sp)
    types = [4 if p in runs else t for (p, _), t in zip(pieces, types)]
    tok = Tokenizer(bpe(pieces))
    tok.normalizer = normalizers.Replace(" ", "▁")
    tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tok.decoder = decoders.Sequence(strip[:3])
    tok.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    for i, (p, _) in enumerate(pieces):
        if types[i] in (2, 3, 4):
            tok.add_tokens([AddedToken(p, normalized=False, special=types[i] != 4)])
    # Converters write user-defined pieces with real spaces and a score that means nothing.
    gguf = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": [p.replace("▁", " ") if t == 4 else p for (p, _), t in zip(pieces, types)],
            "tokenizer.ggml.scores": [-1000.0 if t in (3, 4) else s for (_, s), t in zip(pieces, types)], "tokenizer.ggml.token_type": types,
            "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.eos_token_id": 1, "tokenizer.ggml.unknown_token_id": 3,
            "tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_space_prefix": False}
    write("spm-gemma", {"tokenizer": json.loads(tok.to_str()), "gguf": gguf, "rows": compact(encode_all(tok))})


def other_goldens():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for name, lowercase in (("wordpiece-uncased", True), ("wordpiece-cased", False)):
        tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tok.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
        tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tok.decoder = decoders.WordPiece()
        tok.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, show_progress=False))
        cls, sep = tok.token_to_id("[CLS]"), tok.token_to_id("[SEP]")
        tok.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
        tokens, types = table(tok)
        marked = [t if t[0] == "[" and t[-1] == "]" else t[2:] if t.startswith("##") else "▁" + t for t in tokens]
        gguf = {"tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": marked, "tokenizer.ggml.token_type": types,
                "tokenizer.ggml.cls_token_id": cls, "tokenizer.ggml.seperator_token_id": sep, "tokenizer.ggml.unknown_token_id": 1}
        write(name, {"tokenizer": json.loads(tok.to_str()), "gguf": gguf, "rows": compact(encode_all(tok))})

    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.StripAccents(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.decoder = decoders.Metaspace()
    tok.train_from_iterator(TEXT, trainers.UnigramTrainer(vocab_size=500, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False))
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    write("unigram", {"tokenizer": json.loads(tok.to_str()), "rows": compact(encode_all(tok))})

    # Added tokens with every option, one of them found in normalised text.
    tok = train_bpe(byte_level(use_regex=True), ["<|endoftext|>"], 300, normalizers.Lowercase())
    tok.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("<both>", lstrip=True, rstrip=True, special=True), AddedToken("word", single_word=True, normalized=False),
        AddedToken("casing", normalized=True), AddedToken("<le", normalized=False), AddedToken("é", normalized=False),
    ])
    texts = ["a  <left>  b", "a  <right>  b", "a \t<both>\n b", "word words sword word. _word word-word (word)", "CASING casing Casing", "<left <le<left>",
             "<both><both> <both>", "\u3000<left>\u2003x<right>\u00a0", "é\u00e9 <right>", "<|endoftext|>  <left>"]
    write("added-tokens", {"tokenizer": json.loads(tok.to_str()), "texts": texts, "rows": compact(encode_all(tok, texts))})


TEMPLATES = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "llama3": "{{- bos_token }}\n{%- for message in messages %}\n    {%- set head = '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' %}\n"
              "    {{- head + (message.content | trim) + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
              "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    "mistral": "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}{% if message.role == 'system' %}"
               "{% set ns.system = message.content + '\\n\\n' %}{% elif message.role == 'user' %}"
               "{{ '[INST] ' + (ns.system if loop.index0 <= 1 else '') + message.content + ' [/INST]' }}"
               "{% else %}{{ ' ' + message.content + eos_token }}{% endif %}{% endfor %}",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
             "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
             "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
             "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
             "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
             "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    "tools": "{%- if tools %}\n{{- '<tools>' }}\n{%- for tool in tools %}\n{{- '\\n' + tool | tojson }}\n{%- endfor %}\n{{- '\\n</tools>\\n' }}\n{%- endif %}\n"
             "{%- for message in messages %}\n{{- '[' + message.role + ']' }}\n{%- if message.content %}\n{{- message.content }}\n{%- endif %}\n"
             "{%- if message.tool_calls %}\n{%- for call in message.tool_calls %}\n{%- set f = call.function %}\n"
             "{{- '<call>{\"name\": \"' + f.name + '\", \"arguments\": ' }}{{- f.arguments | tojson }}{{- '}</call>' }}\n{%- endfor %}\n{%- endif %}\n{%- endfor %}",
    "generation": "{% for m in messages %}\n  {% if m.role == 'assistant' %}\n    {% generation %}\n{{ m.content }}\n    {%- endgeneration -%}\n  {% else %}\n{{ m.role | upper }}: {{ m.content }}\n"
                  "  {% endif %}\n{% endfor %}\n{# note #}{{ dict(a=1, b='x')['b'] }}{% if enable_thinking is defined and not enable_thinking %}<nothink>{% endif %}",
    # Macros kept in lists and called with lists of arguments, that leave what they find in a namespace, as Jamba's template has them.
    "macros": "{% set ns = namespace(count=0, found=False) %}\n{% macro find(value, field=none) %}\n  {% if field is not none %}\n"
              "    {% set value = value[field] if field in value else none %}\n  {% endif %}\n  {% set ns.found = value is defined and value is not none %}\n"
              "{% endmacro %}\n{% macro role(name, space=True) %}\n  {{- '<|' + name + '|>' -}}\n  {% if space %}\n    {{- ' ' -}}\n  {% endif %}\n{% endmacro %}\n"
              "{% macro shown(tools) %}\n  {% for tool in tools %}\n    {{- '\\n' + (tool|tojson(indent=2)) -}}\n    {% for key, value in tool.items() %}\n"
              "      {{- '\\n' + key|title + ': ' + value|length|string -}}\n    {% endfor %}\n  {% endfor %}\n{% endmacro %}\n"
              "{% set _ = find(tools) %}\n{% if ns.found %}\n  {% set calls = [] + [shown] %}\n  {% set arguments = [] + [[tools]] %}\n"
              "  {% for i in range(calls|length) %}\n    {{- calls[i](*arguments[i]) -}}\n  {% endfor %}\n{% endif %}\n"
              "{% for message in messages %}\n  {% if ns.count > 0 %}\n    {{- '<|eom|>' -}}\n  {% endif %}\n  {% set _ = find(message, field='name') %}\n"
              "  {{- role(message.role) + (('(' + message.name + ')') if ns.found else '') + (message.content or '') -}}\n  {% set ns.count = ns.count + 1 %}\n"
              "  {% for call in message.tool_calls or [] %}\n    {{ call.function.name -}}\n  {% endfor %}\n{% endfor %}\n"
              "{% if add_generation_prompt %}\n  {{- role('assistant', space=False) -}}\n{% endif %}\n",
    "reasoning": "{% for m in messages %}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}|{{ m.thinking }}</think>{% endif %}{{ m.content }}{% endfor %}",
}
CHAT = [{"role": "user", "content": "Hi  "}, {"role": "assistant", "content": "Hello! Größe 😀"}, {"role": "user", "content": "  Tell <|im_end|> me\n"}]
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds \"two\" <numbers> & 'more' é", "parameters": {
    "type": "object", "properties": {"a": {"type": "number", "minimum": 0.5}, "b": {"type": ["integer", "null"]}}, "required": ["a"]}}}
CALLS = [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": None, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": [1, {"c": None}], "d": True, "e": "é\n"}}}]},
    {"role": "tool", "content": "5", "tool_call_id": "c1", "name": "add"}]
CONVERSATIONS = {
    "plain": {"messages": CHAT}, "system": {"messages": [{"role": "system", "content": "Be brief."}] + CHAT},
    "answered": {"messages": CHAT[:2]}, "twice": {"messages": [CHAT[0], CHAT[2]]}, "tools": {"messages": CALLS, "tools": [TOOL]},
    "thinking": {"messages": CHAT[:1] + [{"role": "assistant", "content": "x", "reasoning_content": "because"}]},
    "variables": {"messages": CHAT, "variables": {"enable_thinking": False}},
}


def template_goldens():
    fast = PreTrainedTokenizerFast(tokenizer_object=train_bpe(byte_level(), ["<s>", "</s>"], 260), bos_token="<s>", eos_token="</s>")
    cases = []
    for name, template in TEMPLATES.items():
        for label, c in CONVERSATIONS.items():
            if label == "tools" and name not in ("tools", "generation", "macros"):
                continue
            for prompt in (True, False):
                case = {"template": name, "conversation": label, "addGenerationPrompt": prompt}
                try:
                    case["text"] = fast.apply_chat_template(c["messages"], tools=c.get("tools"), chat_template=template, tokenize=False,
                                                            add_generation_prompt=prompt, **c.get("variables", {}))
                except jinja2.exceptions.TemplateError as error:
                    case["error"] = str(error)
                cases.append(case)
    write("chat-templates", {"templates": TEMPLATES, "conversations": CONVERSATIONS, "cases": cases})


def smollm2_golden(path):
    """Ids only: the vocabulary is not ours to store. The tokenizer is rebuilt from the file's metadata by hand."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    tokens, types, merges = (fields[f"tokenizer.ggml.{k}"].contents() for k in ("tokens", "token_type", "merges"))
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges]))
    tok.pre_tokenizer, tok.decoder = PRESETS["smollm"], decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t, k in zip(tokens, types) if k == 3])
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, bos_token="<|im_start|>", eos_token="<|im_end|>")
    template = fields["tokenizer.chat_template"].contents()
    chats = {k: c["messages"] for k, c in CONVERSATIONS.items() if k in ("plain", "system", "answered")}
    prompts = {k: fast.apply_chat_template(m, chat_template=template, tokenize=False, add_generation_prompt=True) for k, m in chats.items()}
    write("smollm2", {"texts": PARAGRAPHS, "rows": compact(encode_all(tok)), "paragraphs": compact(encode_all(tok, PARAGRAPHS)),
                      "chats": chats, "prompts": prompts})


OUT.mkdir(exist_ok=True)
write("samples", {"texts": SAMPLES})
bpe_goldens()
sentencepiece_goldens()
other_goldens()
template_goldens()
if os.environ.get("SMOLLM2"):
    smollm2_golden(os.environ["SMOLLM2"])
