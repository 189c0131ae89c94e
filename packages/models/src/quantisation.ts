/** `quantization_config` of folders whose weights are 8-bit floats with a factor for each block. */

import { UnsupportedError } from '@steelyard/core';
import type { ConfigReader } from './config-reader.ts';

/** Rows and columns of a weight that share a factor. */
export interface ScaleBlocks {
  readonly rows: number;
  readonly columns: number;
}

/** gpt-oss's own, which its architecture reads. */
const ELSEWHERE = 'mxfp4';

/**
 * Undefined where weights are whole, or quantised in a way that the architecture reads itself.
 * @throws UnsupportedError for other ways
 */
export function readScaleBlocks(reader: ConfigReader): ScaleBlocks | undefined {
  const section = reader.peek('quantization_config');
  if (!section) return undefined;
  const method = section.text({ hf: 'quant_method' }, '(not given)');
  if (method === ELSEWHERE) return undefined;
  reader.ignore({ hf: 'quantization_config' });
  if (method !== 'fp8') {
    throw new UnsupportedError(
      `${section.fileName}: quant_method is ${JSON.stringify(method)}; supported are fp8 with a factor for each block, ` +
        `and ${ELSEWHERE} of gpt-oss; take the model's unquantised files, or its GGUF`,
    );
  }
  section.choice({ hf: 'fmt' }, ['e4m3'], 'e4m3');
  // How a GPU rounds activations; here they stay float32.
  section.choice({ hf: 'activation_scheme' }, ['dynamic'], 'dynamic');
  section.ignore({ hf: 'modules_to_not_convert' }, { hf: 'dequantize' });
  const sizes = section.integers({ hf: 'weight_block_size' });
  const [rows, columns] = sizes ?? [];
  if (sizes?.length !== 2 || !rows || !columns || rows < 1 || columns < 1) {
    throw new UnsupportedError(
      `${section.fileName}: weight_block_size is ${JSON.stringify(sizes ?? null)}, expected two sizes such as [128, 128]`,
    );
  }
  section.finish();
  return { rows, columns };
}
