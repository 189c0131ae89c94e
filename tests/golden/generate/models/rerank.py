"""Makes tests/golden/rerank: a tiny random cross-encoder and the scores that transformers gives pairs of texts.

    venv/bin/python rerank.py

As `generate.py`, whose requirements it has. `config.json`, `model.safetensors` and `tokenizer.json` are what
transformers and tokenizers save; `golden.json` has pairs, their token ids and types, and their scores before the sigmoid.
"""

import json
import shutil
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from generate import randomise

OUT = Path(__file__).parents[2] / "rerank/bert"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the danube rhine flows into black sea north what is a river where does ? . , ##s ##ing long #".split()
QUERY = "Where does the Danube flow?"
DOCUMENTS = [
    "The Danube flows into the Black Sea.",
    "The Rhine flows into the North Sea.",
    "What is a river?",
    "[SEP] the sea",
    "a",
]


def tokenizer():
    vocabulary = SPECIAL + WORDS + [c for c in "abcdefghijklmnopqrstuvwxyz"] + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz"]
    # A word that is a letter keeps its first place.
    vocabulary = list(dict.fromkeys(vocabulary))
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = made.token_to_id("[CLS]"), made.token_to_id("[SEP]")
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    made.add_special_tokens(SPECIAL)
    return made


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    words = tokenizer()
    config = transformers.BertConfig(
        vocab_size=words.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=40, max_position_embeddings=64, num_labels=1,
    )
    config._attn_implementation = "eager"
    model = transformers.BertForSequenceClassification(config).float().eval()
    randomise(model, sum(b"rerank/bert"), [], 1.0)
    model.save_pretrained(OUT)
    words.save(str(OUT / "tokenizer.json"), pretty=False)
    # What looks like a special token in a document is text: no added token is cut out of it.
    plain = tokenizer_without_added(words)
    pairs = []
    for document in DOCUMENTS:
        asked, said = plain.encode(QUERY, add_special_tokens=False).ids, plain.encode(document, add_special_tokens=False).ids
        cls, sep = words.token_to_id("[CLS]"), words.token_to_id("[SEP]")
        tokens = [cls, *asked, sep, *said, sep]
        types = [0] * (len(asked) + 2) + [1] * (len(said) + 1)
        with torch.no_grad():
            score = model(torch.tensor([tokens]), token_type_ids=torch.tensor([types])).logits.item()
        pairs.append({"document": document, "tokens": tokens, "types": types, "score": score})
    golden = {"reference": f"transformers {transformers.__version__}", "query": QUERY, "pairs": pairs}
    (OUT / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    print([round(pair["score"], 3) for pair in pairs])


def tokenizer_without_added(words):
    """The same without its added tokens, which would be found within texts."""
    parts = json.loads(words.to_str())
    parts["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(parts))


if __name__ == "__main__":
    main()
