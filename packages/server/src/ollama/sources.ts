/** Where a model comes from that Ollama's clients name. Only registries: no file of this machine, no address of a caller's choice. */

import { ApiError } from '../http/api-error.ts';

const HUGGING_FACE = /^(?:https?:\/\/)?(?:hf\.co|huggingface\.co)\//;
const SCHEME = /^(hf|npm|pypi):/;
/** `name`, `name:tag`, `owner/name:tag`: no host, which would have a dot or a port before the first slash. */
const OLLAMA = /^(?:ollama:)?(?:[\w-]+\/)?[\w][\w.-]*(?::[\w.-]+)?$/;

/** @throws ApiError 400 for anything else */
export function pullSource(name: string): string {
  if (HUGGING_FACE.test(name)) return `hf:${name.replace(HUGGING_FACE, '')}`;
  if (SCHEME.test(name)) return name;
  if (OLLAMA.test(name)) return name.startsWith('ollama:') ? name : `ollama:${name}`;
  throw new ApiError(
    400,
    `Invalid 'model': got '${name}', expected a name of Ollama's registry (llama3.2:1b), hf.co/owner/repo:Q4_K_M, ` +
      'hf:, npm: or pypi:. Other sources are pulled on the server itself: steelyard pull SOURCE.',
    { param: 'model', code: 'invalid_value' },
  );
}
