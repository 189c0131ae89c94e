import { curl, type Group } from './group.ts';

export const moderations: Group = {
  slug: 'moderations',
  title: 'Moderations',
  text:
    'Whether a text is harmful, in the categories of OpenAI. It is judged by a language model that the server is told ' +
    'to use (`--moderation-model`), under a policy that may be your own (`--moderation-policy FILE`); the answer is ' +
    'held to the categories by a grammar. How much it finds depends on the model.',
  paths: ['/v1/moderations'],
  examples: [
    {
      title: 'Judging two texts',
      language: 'sh',
      code: curl('/v1/moderations', { input: ['I love rivers.', 'I will hurt you.'] }),
    },
  ],
};
