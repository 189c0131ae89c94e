import { curl, EXAMPLE_BASE, type Group } from './group.ts';

export const ollama: Group = {
  slug: 'ollama',
  title: "Ollama's API",
  text:
    "For clients and editors made for Ollama; their host is this server's address. Answers stream as lines of JSON unless " +
    'told otherwise. What the hardware should do is accepted and left to the one who started the server; images and ' +
    'templates of a request are refused.',
  paths: ['/api'],
  examples: [
    {
      title: 'A chat',
      language: 'js',
      code: `import { Ollama } from 'ollama';

const ollama = new Ollama({ host: '${EXAMPLE_BASE}' });
const stream = await ollama.chat({
  model: 'MODEL',
  messages: [{ role: 'user', content: 'What is a steelyard?' }],
  options: { num_predict: 64 },
  stream: true,
});
for await (const { message } of stream) process.stdout.write(message.content);`,
    },
    { title: 'What is served', language: 'sh', code: `curl --fail-with-body -s ${EXAMPLE_BASE}/api/tags` },
    {
      title: 'Vectors',
      language: 'sh',
      code: curl('/api/embed', { model: 'EMBEDDING_MODEL', input: ['a river in Europe', 'the Danube'] }),
    },
  ],
};
