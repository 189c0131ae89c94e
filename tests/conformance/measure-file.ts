/** Measures one file of a golden from disk. */

import { openModel } from '@steelyard/formats/node';
import type { Backend } from '@steelyard/graph';
import type { Golden, GoldenFile } from './golden.ts';
import { measureOpened, type Errors } from './measure.ts';

/** Opens one file of a golden, loads it and measures it. @throws Error when it is not the golden's model */
export async function measureFile(backend: Backend, golden: Golden, file: GoldenFile): Promise<Errors> {
  const opened = openModel(file.path);
  try {
    return await measureOpened(
      backend,
      golden,
      opened,
      backend.name !== 'reference' || file.format === 'safetensors',
    );
  } finally {
    opened.close();
  }
}
