/** Checks of the ways to models; only with `--network`, because nothing else of doctor leaves the machine. */

import { checkEgress, EgressForbiddenError } from '@steelyard/core/node';
import { plural } from '../terminal/format.ts';
import { ok, warn, type Check } from './check.ts';
import { runProgram } from './machine.ts';

const TIMEOUT_MS = 15_000;

export function checkNetwork(hubUrl: string): Promise<Check[]> {
  return Promise.all([
    unlessForbidden('hub', new URL(hubUrl), () => checkHub(hubUrl)),
    unlessForbidden('npm', 'its registry', checkNpm),
    unlessForbidden('pip', 'its index', checkPip),
  ]);
}

/** Programs that are run are not held by this process: it asks before it runs them. */
async function unlessForbidden(name: string, to: string | URL, check: () => Promise<Check>): Promise<Check> {
  try {
    checkEgress(to);
  } catch (error) {
    if (!(error instanceof EgressForbiddenError)) throw error;
    return warn(
      name,
      'connections to other machines are forbidden here',
      'nothing, where that is wanted; else see STEELYARD_EGRESS in: steelyard config show',
    );
  }
  return check();
}

async function checkHub(url: string): Promise<Check> {
  const advice =
    'set HF_ENDPOINT to a mirror, or pull from another source: npm:, pypi:, ollama:, oci:, https:, file:';
  try {
    const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.status < 500
      ? ok('hub', `${url} answers`)
      : warn('hub', `${url} answers ${response.status}`, advice);
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string } };
    return warn('hub', `${url} cannot be reached (${cause?.code ?? message})`, advice);
  }
}

/** Asks through npm itself, so that the machine's own configuration and mirrors count. */
async function checkNpm(): Promise<Check> {
  const result = await runProgram('npm', ['ping'], TIMEOUT_MS);
  if (result?.code === 0) return ok('npm', 'its registry answers');
  return warn(
    'npm',
    result ? 'its registry does not answer' : 'not found',
    'needed for npm: sources only; see npm config get registry',
  );
}

async function checkPip(): Promise<Check> {
  for (const python of ['python3', 'python']) {
    const version = await runProgram(python, ['-m', 'pip', '--version'], TIMEOUT_MS);
    if (version?.code !== 0) continue;
    const index = await runProgram(python, ['-m', 'pip', 'index', 'versions', 'pip'], TIMEOUT_MS);
    if (index?.code === 0) return ok('pip', 'its index answers');
    return warn('pip', 'its index does not answer', 'needed for pypi: sources only; see pip config list');
  }
  return warn('pip', 'not found', `needed for pypi: sources only; install Python with pip`);
}

/** `2 warnings, 1 failure`, or that all is well. */
export function summarise(checks: readonly Check[]): string {
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length;
  const [warnings, failures] = [count('warn'), count('fail')];
  if (warnings + failures === 0) return 'all is well';
  const parts = [
    ...(failures ? [plural(failures, 'failure')] : []),
    ...(warnings ? [plural(warnings, 'warning')] : []),
  ];
  return parts.join(', ');
}
