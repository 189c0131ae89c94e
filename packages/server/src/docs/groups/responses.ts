import { CLIENT, curl, type Group } from './group.ts';

export const responses: Group = {
  slug: 'responses',
  title: 'Responses and conversations',
  text:
    'Answers that are kept and gone on from: by the last response, or in a conversation. A response may be computed in ' +
    'the background and listened to later. The tool `file_search` looks into vector stores when the model calls it; it is ' +
    'made first, by the last words of the user, for models that can be told of no tools, where the answer is held to a ' +
    'schema, and where `tool_choice` names it. The model is asked to cite passages by their numbers, as in [1]: such marks ' +
    'are taken out of the text and become annotations, whose `index` is the number of characters before them. Earlier ' +
    'searches are shown to the model again only where their results were included. Calls of tools that run here are ' +
    'limited by `max_tool_calls`, and by 16 rounds of an answer. `text.format` takes grammars and patterns as ' +
    '`response_format` of chat completions does. `POST /v1/responses/input_tokens` counts what a response would be asked, ' +
    'without computing it; what a search that comes first would find is not in it. Nothing is compacted. `include` of a ' +
    'query adds nothing: what is kept holds what its own request included.',
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
      title: 'Asking about files',
      language: 'js',
      code: `import { toFile } from 'openai';
${CLIENT}
const store = await client.vectorStores.create({ name: 'Rivers' });
await client.vectorStores.files.uploadAndPoll(
  store.id,
  await toFile(Buffer.from('The Danube flows into the Black Sea.'), 'danube.txt'),
);
const response = await client.responses.create({
  model: 'MODEL',
  input: 'Where does the Danube end?',
  tools: [{ type: 'file_search', vector_store_ids: [store.id] }],
  tool_choice: { type: 'file_search' },
  include: ['file_search_call.results'],
});
for (const item of response.output) {
  if (item.type === 'file_search_call') console.log(item.queries, item.results[0].filename);
  if (item.type === 'message') console.log(item.content[0].text, item.content[0].annotations);
}`,
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
