/**
 * What WebAssembly allows on this machine in one thread: 16-bit products by SIMD, byte products by relaxed SIMD where the
 * host has it, bytes read from memory. The module is put together here, instruction by instruction.
 */

const CHAINS = 12;
const PAGES = 1024;
const [I32, V128] = [0x7f, 0x7b];

function leb(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return bytes;
}
const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
const vector = (items) => [...leb(items.length), ...items.flat()];
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const simd = (code) => [0xfd, ...leb(code)];
const constant = (value) => [0x41, ...leb(value)];
const XOR = simd(81);
const ADD = simd(174);
const DOT_WORDS = simd(186);
const DOT_BYTES = simd(0x113);

/** Repeats `body` while local 0 counts down by `by`; then all chains as one vector's first lane. */
function loop(body, by) {
  const end = [...get(0), ...constant(by), 0x6b, 0x22, 0, 0x0d, 0];
  const sum = Array.from({ length: CHAINS }, (_, i) => (i === 0 ? get(1) : [...get(1 + i), ...XOR])).flat();
  const code = [
    ...vector([[...leb(CHAINS), V128]]),
    ...Array.from({ length: CHAINS }, (_, i) => [...constant(i + 1), ...simd(17), ...set(1 + i)]).flat(),
    ...[0x03, 0x40, ...body, ...end, 0x0b],
    ...[...sum, ...simd(27), 0, 0x0b],
  ];
  return [...leb(code.length), ...code];
}

const chains = (of) => Array.from({ length: CHAINS }, (_, i) => of(1 + i)).flat();
// Each chain multiplies its own sum, so that nothing can be taken out of the loop.
const words = loop(
  chains((i) => [...get(i), ...get(i), ...get(i), ...DOT_WORDS, ...ADD, ...set(i)]),
  1,
);
const bytes = loop(
  chains((i) => [...get(i), ...get(i), ...get(i), ...DOT_BYTES, ...set(i)]),
  1,
);
// Local 0 is an address from above.
const read = loop(
  chains((i) => [...get(i), ...get(0), ...simd(0), 4, ...leb(16 * (i - 1)), ...XOR, ...set(i)]),
  16 * CHAINS,
);

function assemble(bodies) {
  const names = ['words', 'read', 'bytes'].slice(0, bodies.length);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, 1, I32, 1, I32]])),
    ...section(3, vector(bodies.map(() => [0]))),
    ...section(5, vector([[0, ...leb(PAGES + 1)]])),
    ...section(7, vector(names.map((name, i) => [name.length, ...Buffer.from(name), 0, i]))),
    ...section(10, vector(bodies)),
  ]);
}

/** Runs of some milliseconds, the best of several, once the host has had time to compile for speed. */
async function rate(run, argument, work) {
  let best = Infinity;
  run(argument);
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (let i = 0; i < 40; i++) {
    const start = performance.now();
    run(argument);
    best = Math.min(best, performance.now() - start);
  }
  return (work * 1000) / best;
}

/** Products of 16 bits, of 8 bits (absent without relaxed SIMD), and bytes read, each to a second and thread. */
export async function wasmFloors() {
  const relaxed = assemble([words, read, bytes]);
  const module = WebAssembly.validate(relaxed) ? relaxed : assemble([words, read]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module));
  const count = 1 << 15;
  const length = Math.floor((PAGES * 65536) / (16 * CHAINS)) * 16 * CHAINS;
  return {
    words: await rate(exports.words, count, count * CHAINS * 8),
    ...(exports.bytes && { bytes: await rate(exports.bytes, count, count * CHAINS * 16) }),
    memory: await rate(exports.read, length, length),
  };
}
