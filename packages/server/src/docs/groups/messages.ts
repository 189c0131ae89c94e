import { curl, EXAMPLE_BASE, type Group } from './group.ts';

export const messages: Group = {
  slug: 'messages',
  title: "Messages, in Anthropic's wire format",
  text:
    "For Anthropic's SDK and what is built on it; its base URL is this server's address without /v1. A key may come in " +
    'the header x-api-key. Thoughts keep to their budget (from 1024 tokens on, and only of models that think), and a last ' +
    'message of the assistant is gone on from. With the header anthropic-version, other endpoints answer in this format where it has them.',
  paths: ['/v1/messages'],
  examples: [
    {
      title: 'A message',
      language: 'js',
      code: `import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({ baseURL: '${EXAMPLE_BASE}', apiKey: 'none' });
const message = await client.messages.create({
  model: 'MODEL',
  max_tokens: 64,
  system: 'Answer in one sentence.',
  messages: [{ role: 'user', content: 'What is a steelyard?' }],
});
console.log(message.content[0].text);`,
    },
    {
      title: 'Counting tokens beforehand',
      language: 'sh',
      code: curl('/v1/messages/count_tokens', {
        model: 'MODEL',
        messages: [{ role: 'user', content: 'What is a steelyard?' }],
      }),
    },
  ],
};
