import { curl, type Group } from './group.ts';

export const completions: Group = {
  slug: 'completions',
  title: 'Completions',
  text:
    'Text goes on from a prompt, without a chat template. With `best_of`, so many answers to each prompt are computed and ' +
    'counted, and the `n` of the highest mean log-probability per token are given, best first.',
  paths: ['/v1/completions'],
  examples: [
    {
      title: 'Going on from a prompt',
      language: 'sh',
      code: curl('/v1/completions', { model: 'MODEL', prompt: 'Once upon a time', max_tokens: 32 }),
    },
  ],
};
