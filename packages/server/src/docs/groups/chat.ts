import { CLIENT, curl, type Group } from './group.ts';

export const chat: Group = {
  slug: 'chat',
  title: 'Chat completions',
  text:
    "A conversation goes in, the assistant's next message comes out, whole or as it is written. Tools, JSON under a " +
    'schema, logprobs, seeds and reasoning are as in OpenAI; thoughts come apart from the answer as ' +
    '`reasoning_content`. Beside JSON, `response_format` takes grammars: `{"type": "grammar", "grammar": "root ::= ..."}` in ' +
    'the EBNF of llama.cpp and xgrammar, in which no rule may begin with itself, and `{"type": "regex", "pattern": "..."}` ' +
    'for an ECMAScript pattern of the whole answer. `verbosity` is a hint in words, in the system message. With ' +
    '`stream_options.include_obfuscation` pieces are padded to a multiple of 64 bytes. Models are told of custom tools as of ' +
    'functions with one argument, `input`; a `format` of the syntax `regex` is held to, one of Lark is refused. Streams ' +
    'have calls of custom tools in one piece.',
  paths: ['/v1/chat/completions'],
  examples: [
    {
      title: 'An answer',
      language: 'sh',
      code: curl('/v1/chat/completions', {
        model: 'MODEL',
        messages: [{ role: 'user', content: 'Name three rivers.' }],
        max_completion_tokens: 64,
      }),
    },
    {
      title: 'As it is written',
      language: 'js',
      code: `${CLIENT}
const stream = await client.chat.completions.create({
  model: 'MODEL',
  messages: [{ role: 'user', content: 'Name three rivers.' }],
  max_completion_tokens: 64,
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');`,
    },
    {
      title: 'JSON under a schema',
      language: 'js',
      code: `${CLIENT}
const answer = await client.chat.completions.create({
  model: 'MODEL',
  messages: [{ role: 'user', content: 'Is the Danube longer than the Rhine?' }],
  response_format: {
    type: 'json_schema',
    json_schema: {
      name: 'verdict',
      strict: true,
      schema: {
        type: 'object',
        properties: { longer: { type: 'boolean' } },
        required: ['longer'],
        additionalProperties: false,
      },
    },
  },
});
console.log(JSON.parse(answer.choices[0].message.content).longer);`,
    },
    {
      title: 'One of several words, by a grammar',
      language: 'sh',
      code: curl('/v1/chat/completions', {
        model: 'MODEL',
        messages: [{ role: 'user', content: 'Is this review good or bad? "I would buy it again."' }],
        response_format: { type: 'grammar', grammar: 'root ::= "good" | "bad"' },
      }),
    },
  ],
};
