"""OpenAI's official Python SDK against a server whose base URL is the first argument; prints one line per check."""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="sesame", max_retries=0, timeout=20)


def user(text):
    return [{"role": "user", "content": text}]


def chat(text, **options):
    return client.chat.completions.create(model="stub", messages=user(text), **options)


def models():
    assert [model.id for model in client.models.list()] == ["stub"]
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


for check in [models, whole, stream, abort, choices, completions, errors]:
    check()
    print("ok", check.__name__, flush=True)
