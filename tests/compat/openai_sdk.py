"""OpenAI's official Python SDK against a server whose base URL is the first argument; prints one line per check."""

import base64
import json
import struct
import sys
import time

import openai
import pydantic

client = openai.OpenAI(base_url=sys.argv[1], api_key="sesame", max_retries=0, timeout=20)


def user(text):
    return [{"role": "user", "content": text}]


def chat(text, **options):
    return client.chat.completions.create(model="stub", messages=user(text), **options)


def models():
    assert [model.id for model in client.models.list()] == ["stub", "vectors"]
    assert client.models.retrieve("stub").object == "model"


def whole():
    answer = chat("Grüße 🎉")
    assert answer.choices[0].message.content == "Grüße 🎉", answer
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


def stream():
    chunks = list(chat("naïve 漢字", stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "naïve 漢字"
    assert chunks[-1].usage.completion_tokens > 3


def abort():
    with chat("word " * 1500, stream=True) as chunks:
        for _ in zip(range(5), chunks):
            pass


def choices():
    answer = chat("ab END", n=2, seed=1, stop=[" END"], logprobs=True, top_logprobs=1)
    assert [choice.message.content for choice in answer.choices] == ["ab", "ab"]
    assert answer.choices[0].logprobs.content[0].token == "ab"


def completions():
    answer = client.completions.create(model="stub", prompt="ab cd", echo=True, max_tokens=1)
    assert answer.choices[0].text == "ab cdab" and answer.choices[0].finish_reason == "length"


def errors():
    for error, call in [
        (openai.BadRequestError, lambda: chat("hi", temperature=9)),
        (openai.BadRequestError, lambda: chat("word " * 3000, stream=True)),
        (openai.NotFoundError, lambda: client.chat.completions.create(model="none", messages=user("hi"))),
        (openai.AuthenticationError, lambda: client.with_options(api_key="guess").models.list()),
    ]:
        try:
            call()
        except error as caught:
            assert caught.body["message"]
        else:
            raise AssertionError(f"expected {error.__name__}")


class River(pydantic.BaseModel):
    name: str
    long: bool
    tags: list[bool]


def respond(text, **options):
    return client.responses.create(model="stub", input=text, **options)


def responses():
    events = list(respond("naïve 漢字", stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "naïve 漢字"
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    with client.responses.stream(model="stub", input="one two") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "one two"
    first = respond("one")
    assert respond("two", previous_response_id=first.id).previous_response_id == first.id
    client.responses.delete(first.id)


def parse():
    answer = client.responses.parse(model="stub", input="Which?", text_format=River)
    assert isinstance(answer.output_parsed, River), answer
    chat_answer = client.chat.completions.parse(model="stub", messages=user("Which?"), response_format=River)
    assert isinstance(chat_answer.choices[0].message.parsed, River), chat_answer
    with client.chat.completions.stream(model="stub", messages=user("Which?"), response_format=River) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, River)


def conversations():
    talk = client.conversations.create(
        items=[{"type": "message", "role": "user", "content": "Hello."}], metadata={"topic": "rivers"}
    )
    respond("How long?", conversation=talk.id)
    items = list(client.conversations.items.list(talk.id, order="asc", limit=2))
    assert [item.content[0].text for item in items] == ["Hello.", "How long?", "How long?"], items
    assert client.conversations.update(talk.id, metadata={"topic": "lakes"}).metadata == {"topic": "lakes"}
    assert client.conversations.delete(talk.id).deleted


def ended(get, working):
    for _ in range(2000):
        found = get()
        if found.status not in working:
            return found
        time.sleep(0.02)
    raise AssertionError(f"still {found.status}")


def background():
    begun = respond("later", background=True)
    done = ended(lambda: client.responses.retrieve(begun.id), ["queued", "in_progress"])
    assert (done.status, done.output_text) == ("completed", "later")
    long = respond("word " * 1500, background=True)
    assert client.responses.cancel(long.id).status == "cancelled"
    assert client.responses.retrieve(long.id).status == "cancelled"


def embeddings():
    def embed(encoding):
        return client.embeddings.create(model="vectors", input=["a b", "c"], encoding_format=encoding).data

    floats, encoded = embed("float"), embed("base64")
    for one, other in zip(floats, encoded):
        raw = base64.b64decode(other.embedding)
        vector = struct.unpack(f"<{len(raw) // 4}f", raw)
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, vector)) and len(vector) == len(one.embedding)


def batches():
    def line(name):
        body = {"model": "stub", "messages": user(name)}
        return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body})

    lines = "\n".join(map(line, ["one", "two"]))
    file = client.files.create(file=("in.jsonl", lines.encode()), purpose="batch")
    begun = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )
    done = ended(lambda: client.batches.retrieve(begun.id), ["validating", "in_progress", "finalizing"])
    assert done.status == "completed" and done.request_counts.completed == 2, done
    output = [json.loads(one) for one in client.files.content(done.output_file_id).text.splitlines()]
    said = {one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"] for one in output}
    assert said == {"one": "one", "two": "two"}
    assert begun.id in [batch.id for batch in client.batches.list(limit=1)]


def vector_stores():
    store = client.vector_stores.create(name="rivers")
    texts = {"danube.txt": b"The Danube flows into the Black Sea.", "fruit.txt": b"Apples and pears."}
    for name, text in texts.items():
        added = client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=(name, text), poll_interval_ms=50, attributes={"name": name}
        )
        assert added.status == "completed", added
    found = list(client.vector_stores.search(store.id, query="Where does the Danube flow?"))
    assert found[0].filename == "danube.txt" and "Black Sea" in found[0].content[0].text, found
    only = {"type": "eq", "key": "name", "value": "fruit.txt"}
    assert [one.filename for one in client.vector_stores.search(store.id, query="x", filters=only)] == ["fruit.txt"]
    assert client.vector_stores.delete(store.id).deleted


CHECKS = [models, whole, stream, abort, choices, completions, errors]
CHECKS += [responses, parse, conversations, background, embeddings, batches, vector_stores]

for check in CHECKS:
    check()
    print("ok", check.__name__, flush=True)
print(f"{len(CHECKS)} checks", flush=True)
