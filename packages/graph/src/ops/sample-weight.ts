/** Random weights for op samples: every storage format that a matmul or a gather must read. */

import { dtypeInfo, dtypes, type DType } from '../dtypes/index.ts';
import type { SampleTensor } from '../op.ts';
import type { Random } from '../random.ts';

/** Formats that hold float weights. */
export const weightDTypes = (Object.keys(dtypes) as DType[]).filter(
  (name) => dtypeInfo(name).ggml !== undefined && !/^(i8|i16|i32|i64|f64|u8|bool)$/.test(name),
);

/** A `[rows, columns]` weight; the test harness fills its bytes with valid blocks of the format. */
export function randomWeight(random: Random, rows: number, columns?: number): SampleTensor {
  const dtype = random.pick(weightDTypes);
  const { blockSize } = dtypeInfo(dtype);
  const width =
    columns ?? (blockSize === 1 ? random.pick([1, 7, 32, 65, 256]) : blockSize * random.int(1, 3));
  return { shape: [rows, width], dtype };
}
