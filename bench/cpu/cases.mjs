/** The cases of the CPU benchmark: a file by shape and format, a command of the runners, and its floor. */

const GB = 1e9;

/**
 * metric: what `command` yields, tokens to a second. floor(machine, file): the most that the machine allows.
 * `machine` has memory and cached bandwidth (bytes/s) and multiply-adds/s of 8 bits, by its best instructions and by AVX2.
 */
function decode(shape, format, at = 128, extra = {}) {
  const tokens = shape === '1.2b' ? 16 : 64;
  return {
    name: `${shape} ${format} decode${at === 128 ? '' : ` at ${at}`}${extra.suffix ?? ''}`,
    shape,
    format,
    command: `decode ${at} ${tokens}`,
    tokens,
    context: at + 256,
    floorName: 'bytes / bandwidth',
    floor: (machine, file) => machine.memory / (file.stepBytes + file.kvBytes(at)),
    ...extra,
  };
}

function prefill(shape, format, count, extra = {}) {
  return {
    name: `${shape} ${format} prefill ${count}${extra.suffix ?? ''}`,
    shape,
    format,
    command: `prefill ${count}`,
    tokens: count,
    context: count + 256,
    floorName: 'operations / rate',
    floor: (machine, file) => (extra.env ? machine.avx2 : machine.products) / file.layerWeights,
    ...extra,
  };
}

function streams(shape, format, count) {
  const tokens = shape === '135m' ? 32 : 8;
  return {
    name: `${shape} ${format} ${count} streams`,
    shape,
    format,
    command: `streams ${count} 64 ${tokens}`,
    tokens: count * tokens,
    context: 64 * 192,
    floorName: 'bytes / bandwidth, shared',
    floor: (machine, file) =>
      Math.min(
        (count * machine.memory) / (file.bytes + count * file.kvBytes(64)),
        machine.products / file.weights,
      ),
  };
}

const avx2 = {
  suffix: ' (AVX2)',
  env: { STEELYARD_CPU: 'avx2' },
  llamaBackend: 'haswell',
};

export const cases = [
  ...['q4_0', 'q4_k_m', 'q8_0'].flatMap((format) => [decode('1.2b', format), prefill('1.2b', format, 512)]),
  prefill('1.2b', 'q4_0', 2048),
  decode('1.2b', 'q4_0', 8192),
  decode('1.2b', 'q4_0', 8192, { suffix: ', q8_0 cache', cache: 'q8_0' }),
  decode('135m', 'q4_0'),
  prefill('135m', 'q4_0', 512),
  ...[1, 4, 16, 64].map((count) => streams('135m', 'q4_0', count)),
  streams('1.2b', 'q4_0', 16),
  ...['bf16', 'f16'].flatMap((format) => [decode('1.2b', format), prefill('1.2b', format, 512)]),
  ...['bf16', 'f16'].flatMap((format) => [decode('135m', format), prefill('135m', format, 512)]),
  ...['q4_0', 'q4_k_m', 'mxfp4'].flatMap((format) => [decode('moe', format), prefill('moe', format, 512)]),
  decode('135m', 'q4_0', 128, avx2),
  prefill('135m', 'q4_0', 512, avx2),
];

/** Those that `--quick` runs. */
export const quick = /^(1\.2b q4_0 (decode|prefill 512)|135m q4_0 (decode|prefill 512|16 streams))$/;

export function describeFloors(machine) {
  return (
    `read bandwidth ${(machine.memory / GB).toFixed(1)} GB/s from memory, ${(machine.cached / GB).toFixed(1)} GB/s of 16 MiB; ` +
    `${(machine.products / GB).toFixed(0)} G multiply-adds/s of 8 bits`
  );
}
