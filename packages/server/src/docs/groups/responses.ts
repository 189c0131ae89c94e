import { CLIENT, curl, type Group } from './group.ts';

export const responses: Group = {
  slug: 'responses',
  title: 'Responses and conversations',
  text:
    'Answers that are kept and gone on from: by the last response, or in a conversation. A response may be computed in ' +
    'the background and listened to later.',
  paths: ['/v1/responses', '/v1/conversations'],
  examples: [
    {
      title: 'A response, and one that goes on from it',
      language: 'js',
      code: `${CLIENT}
const first = await client.responses.create({
  model: 'MODEL',
  instructions: 'Answer in one sentence.',
  input: 'What is a steelyard?',
  max_output_tokens: 64,
});
const second = await client.responses.create({
  model: 'MODEL',
  previous_response_id: first.id,
  input: 'Who used it first?',
  max_output_tokens: 64,
});
console.log(second.output_text);`,
    },
    {
      title: 'In the background',
      language: 'js',
      code: `${CLIENT}
let response = await client.responses.create({
  model: 'MODEL',
  input: 'Tell a short story.',
  max_output_tokens: 64,
  background: true,
});
while (response.status === 'queued' || response.status === 'in_progress') {
  await new Promise((resolve) => setTimeout(resolve, 100));
  response = await client.responses.retrieve(response.id);
}
console.log(response.status);`,
    },
    {
      title: 'A conversation',
      language: 'sh',
      code: curl('/v1/conversations', {
        items: [{ type: 'message', role: 'user', content: 'Hello!' }],
        metadata: { topic: 'greetings' },
      }),
    },
  ],
};
