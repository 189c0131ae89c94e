/**
 * Writes docs/models.md from the registry and docs/conformance.json, which `npm run conformance -- --json FILE` measured.
 *
 *   npm run docs:models                       # measures, then writes both
 *   node scripts/models-page.mjs [--check]    # writes the page only, or fails where it is not what would be written
 *
 * `--check` also fails when the rows do not cover the registry and the golden files, so that neither can drift. The
 * errors themselves are held to their bounds by the conformance suite.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { architectures } from '../packages/models/dist/index.js';

const page = new URL('../docs/models.md', import.meta.url);
const measured = new URL('../docs/conformance.json', import.meta.url);
const goldens = new URL('../tests/golden/models/', import.meta.url);
const AGAIN = 'run: npm run docs:models';

/** Files of a golden as rows name them. */
export function golden(architecture, variant) {
  const names = readdirSync(new URL(`${architecture}/${variant}/`, goldens));
  const gguf = names.filter((name) => name.endsWith('.gguf'));
  const formats = gguf.map((name) => `gguf ${name.replace(/^model-|\.gguf$/g, '')}`);
  return [...(names.includes('model.safetensors') ? ['safetensors'] : []), ...formats.sort()];
}

/** What rows must be there and are not, and the reverse; empty when they fit the registry. */
export function uncovered(registry, rows) {
  const wanted = registry.flatMap(({ name, variants }) =>
    variants.flatMap((variant) => golden(name, variant).map((format) => `${name}/${variant} ${format}`)),
  );
  const have = new Set(rows.map((row) => `${row.architecture}/${row.variant} ${row.format}`));
  const missing = wanted.filter((key) => !have.has(key)).map((key) => `not measured: ${key}`);
  const known = new Set(wanted);
  return [...missing, ...[...have].filter((key) => !known.has(key)).map((key) => `not there: ${key}`)];
}

export function render(registry, rows) {
  const backends = [...new Set(rows.map((row) => row.backend))];
  const references = [...new Set(rows.map((row) => row.reference))].join(', ');
  const lines = registry.map((architecture) => tableRow(architecture, rows, backends));
  return `# Models

Written by \`scripts/models-page.mjs\` from the registry and \`docs/conformance.json\`; \`npm run docs:models\` measures
and writes both again.

Every architecture is proven with tiny random models, one per variant. Their results by ${references} are
stored, and ours must agree for whole prompts, prompts in chunks, decoding through the cache, and ragged batches, from safetensors as
transformers writes them and from GGUF as llama.cpp's converter writes it. Errors are the largest difference of a row
of logits (of hidden states, for models that make vectors of texts) over its largest value. They must stay under
${bounds(rows)}.

| Architecture | \`model_type\` | GGUF | Variants | ${backends.map((name) => `worst error, ${name}`).join(' | ')} |
|---|---|---|---|${backends.map(() => '---|').join('')}
${lines.join('\n')}

A file that declares another architecture, a setting that would be ignored, a missing or a superfluous tensor is
refused with a message that names it. \`steelyard show --supported\` prints this list.
`;
}

function tableRow({ name, huggingFace, gguf, variants }, rows, backends) {
  const proven = variants.map((variant) => {
    const formats = golden(name, variant).map((format) => format.replace('gguf ', ''));
    return `${variant} (${formats.join(', ')})`;
  });
  const errors = backends.map((backend) =>
    worst(rows.filter((r) => r.architecture === name && r.backend === backend)),
  );
  return `| ${[name, code(huggingFace), code(gguf), proven.join(', '), ...errors].join(' | ')} |`;
}

function worst(rows) {
  if (rows.length === 0) return 'not run';
  const kinds = [...new Set(rows.map((row) => row.bound))].sort((a, b) => a - b);
  return kinds
    .map((bound, i) => {
      const errors = rows
        .filter((row) => row.bound === bound)
        .flatMap(({ prefillError, decodeError }) => [prefillError, decodeError ?? 0]);
      return `${Math.max(...errors).toExponential(0)}${i > 0 ? ' (few bits)' : ''}`;
    })
    .join(', ');
}

function bounds(rows) {
  const [plain, ...more] = [...new Set(rows.map((row) => row.bound))].sort((a, b) => a - b);
  return `${plain.toExponential(0)}${more.map((bound) => `, and under ${bound.toExponential(0)} where weights of few bits meet rounded activations`).join('')}`;
}

function code(names) {
  return names.length > 0 ? names.map((name) => `\`${name}\``).join(', ') : 'none';
}

function main(check) {
  if (!existsSync(measured)) throw new Error(`docs/conformance.json is missing; ${AGAIN}`);
  const rows = JSON.parse(readFileSync(measured, 'utf8'));
  const problems = uncovered(architectures, rows);
  if (problems.length > 0) throw new Error(`docs/conformance.json: ${problems.join('; ')}; ${AGAIN}`);
  const text = render(architectures, rows);
  if (!check) writeFileSync(page, text);
  else if (!existsSync(page) || readFileSync(page, 'utf8') !== text)
    throw new Error(`docs/models.md is not what the registry and docs/conformance.json say; ${AGAIN}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main(process.argv.includes('--check'));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
