import { EXAMPLE_BASE, type Group } from './group.ts';

export const receipts: Group = {
  slug: 'receipts',
  title: 'Receipts',
  text:
    'What an answer was computed from and with, in digests: weights, chat template, prompt, seed, sampler, constraint, ' +
    'engine and backend. Ask with the header `x-steelyard-receipt: 1` or the field `steelyard: {"receipt": true}`; a ' +
    "receipt comes with each choice, with a message or an answer of Ollama's form at its end, or with vectors, and is " +
    'noted in the audit log. With `content` instead of `1` it holds the tokens ' +
    'too, so that `steelyard replay answer.json` computes the answer again from it alone, token for token on the same ' +
    'kind of backend, whatever else is running. `steelyard receipts verify` checks its signature.',
  paths: ['/v1/receipts'],
  examples: [
    {
      title: 'An answer with its receipt',
      language: 'sh',
      code: `curl --fail-with-body -s ${EXAMPLE_BASE}/v1/chat/completions \\
  -H 'content-type: application/json' -H 'x-steelyard-receipt: 1' \\
  -d '{"model": "MODEL", "messages": [{"role": "user", "content": "Hello!"}]}'`,
    },
  ],
};
