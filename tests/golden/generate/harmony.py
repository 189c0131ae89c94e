"""Makes tests/golden/harmony/rendered.json: what OpenAI's own package makes of tests/golden/harmony/conversations.json.

    venv/bin/pip install openai-harmony==0.0.8
    TIKTOKEN_ENCODINGS_BASE=FOLDER venv/bin/python harmony.py   # FOLDER with o200k_base.tiktoken

Each conversation is in the shape of OpenAI's chat API; here it is put together from the package's own objects.
"""

import importlib.metadata
import json
from pathlib import Path

from openai_harmony import (
    Author,
    Conversation,
    DeveloperContent,
    HarmonyEncodingName,
    Message,
    ReasoningEffort,
    Role,
    SystemContent,
    ToolDescription,
    load_harmony_encoding,
)

FOLDER = Path(__file__).parents[1] / "harmony"


def assistant(message):
    said = lambda text, channel: Message.from_role_and_content(Role.ASSISTANT, text).with_channel(channel)
    if message.get("reasoning_content"):
        yield said(message["reasoning_content"], "analysis")
    calls = message.get("tool_calls", [])
    if not calls:
        yield said(message["content"], "final")
    elif message.get("content"):
        yield said(message["content"], "commentary")
    for call in calls:
        function = call["function"]
        yield (
            said(function["arguments"], "commentary")
            .with_recipient(f"functions.{function['name']}")
            .with_content_type("<|constrain|>json")
        )


def conversation(case):
    system = SystemContent.new().with_conversation_start_date(case["date"])
    if "effort" in case:
        system = system.with_reasoning_effort(ReasoningEffort(case["effort"].capitalize()))
    yield Message.from_role_and_content(Role.SYSTEM, system)
    messages = case["messages"]
    instructions = messages[0]["content"] if messages[0]["role"] in ["system", "developer"] else None
    tools = [tool["function"] for tool in case.get("tools", [])]
    if instructions is not None or tools:
        developer = DeveloperContent.new()
        if instructions is not None:
            developer = developer.with_instructions(instructions)
        if tools:
            described = [ToolDescription.new(t["name"], t.get("description", ""), t.get("parameters")) for t in tools]
            developer = developer.with_function_tools(described)
        yield Message.from_role_and_content(Role.DEVELOPER, developer)
    called = {}
    for message in messages[0 if instructions is None else 1 :]:
        called.update({call["id"]: call["function"]["name"] for call in message.get("tool_calls", [])})
        if message["role"] == "user":
            yield Message.from_author_and_content(Author(role=Role.USER, name=message.get("name")), message["content"])
        elif message["role"] == "tool":
            author = Author.new(Role.TOOL, f"functions.{called[message['tool_call_id']]}")
            yield (
                Message.from_author_and_content(author, message["content"])
                .with_recipient("assistant")
                .with_channel("commentary")
            )
        else:
            yield from assistant(message)


def main():
    encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
    rendered = {}
    for case in json.loads((FOLDER / "conversations.json").read_text()):
        messages = Conversation.from_messages(list(conversation(case)))
        tokens = encoding.render_conversation_for_completion(messages, Role.ASSISTANT)
        rendered[case["name"]] = {"text": encoding.decode(tokens), "tokens": tokens}
    golden = {"reference": f"openai-harmony {importlib.metadata.version('openai-harmony')}", "rendered": rendered}
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in rendered.items())
    text = f'{{"reference": {json.dumps(golden["reference"])}, "rendered": {{\n{lines}\n}}}}\n'
    (FOLDER / "rendered.json").write_text(text)
    print(f"{len(rendered)} conversations")


main()
