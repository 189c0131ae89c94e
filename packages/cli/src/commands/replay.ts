/** `steelyard replay` computes the answer of a receipt again; `steelyard receipts verify` checks signatures. */

import { RequestError } from '@steelyard/core';
import type { Receipt } from '@steelyard/server';
import type { RegisterCommand } from '../command.ts';
import {
  addExamples,
  addModelOptions,
  modelOptions,
  wholeNumber,
  type ModelFlags,
} from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_ERROR } from '../errors.ts';
import { openModel } from '../models-by-name.ts';
import { readJson } from '../read-json.ts';
import { packageVersion } from '../version.ts';

interface Flags extends ModelFlags {
  readonly request?: string;
  readonly model?: string;
  readonly choice?: number;
  readonly json?: boolean;
}

export const registerReplay: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('replay <receipt>')
    .description('compute the answer of a receipt once more, and say what differs')
    .option('--request <file>', 'the body of the request, for receipts without content')
    .option('--model <name>', 'the model (default: the one that the receipt names)')
    .option('--choice <n>', 'which of several receipts in the file', wholeNumber('--choice', 0, 1e6))
    .option('--json', 'print what was found as JSON')
    .action(async (file: string, flags: Flags) => exit(await replay(file, flags, context)));
  addModelOptions(command);
  addExamples(command, [
    'steelyard replay answer.json',
    'steelyard replay receipt.json --request request.json',
  ]);
};

export const registerReceipts: RegisterCommand = (program, context, exit) => {
  const receipts = program.command('receipts').description('check receipts of answers');
  const verify = receipts
    .command('verify <receipt>')
    .description('check the signature of a receipt')
    .option('--key <base64>', 'the public key that it must be signed with, as receipts show it')
    .action(async (file: string, flags: { key?: string }) =>
      exit(await verifyReceipts(file, flags.key, context)),
    );
  addExamples(receipts, ['steelyard receipts verify receipt.json']);
  addExamples(verify, ['steelyard receipts verify receipt.json --key MCowBQYDK2VwAyEA...']);
};

async function replay(file: string, flags: Flags, context: CommandContext): Promise<number> {
  const { services } = context;
  const tools = await services.receipts();
  const receipt = chosen(tools.read(await readJson(file), file), flags.choice, file);
  const request = flags.request === undefined ? undefined : await readObject(flags.request);
  const model = await openModel(
    flags.model ?? receipt.model.name,
    { ...modelOptions(flags), kvDType: receipt.engine.kv_cache },
    context,
  );
  try {
    const here = await tools.replay(receipt, {
      model,
      version: packageVersion(),
      ...(request && { request }),
    });
    const differences = tools.compare(receipt, here);
    const same = !differences.some(({ what }) => what === 'answer');
    const at = tools.firstDifference(receipt, here);
    if (flags.json) context.printJson({ same, differences, first_difference: at ?? null, receipt: here });
    else tell({ same, differences, at, here }, context);
    return same ? 0 : EXIT_ERROR;
  } finally {
    await model.dispose();
  }
}

interface Found {
  readonly same: boolean;
  readonly differences: readonly { readonly what: string; readonly receipt: string; readonly here: string }[];
  readonly at: number | undefined;
  readonly here: Receipt;
}

function tell({ same, differences, at, here }: Found, context: CommandContext): void {
  const { style } = context;
  const { tokens, sha256 } = here.output;
  if (same) context.print(`${style.green('the same')}, token for token: ${tokens} tokens, ${sha256}`);
  else context.print(`${style.red('not the same')}${at === undefined ? '' : `, from token ${at} on`}`);
  for (const { what, receipt, here: now } of differences) {
    context.print(`  ${what} differs: ${receipt} in the receipt, ${now} here`);
  }
  if (!same && differences.length === 1) {
    context.print('  nothing else differs: the receipt may be of another build, or the answer was changed');
  }
}

async function verifyReceipts(
  file: string,
  key: string | undefined,
  context: CommandContext,
): Promise<number> {
  const tools = await context.services.receipts();
  const all = tools.readAny(await readJson(file), file);
  let good = true;
  for (const receipt of all) {
    const holds = tools.signatureHolds(receipt);
    const signer = receipt.signature?.public_key;
    const trusted = key === undefined || signer === key;
    good &&= holds === true && trusted;
    const verdict =
      holds === undefined
        ? 'has no signature'
        : !holds
          ? 'was changed after it was signed, or the signature is of another'
          : trusted
            ? `is as it was signed by ${signer}`
            : `is signed by ${signer}, not by the key given`;
    context.print(`${receipt.id} ${verdict}`);
  }
  return good ? 0 : EXIT_ERROR;
}

function chosen(all: readonly Receipt[], choice: number | undefined, file: string): Receipt {
  const found = choice === undefined ? all : all.filter((one) => one.choice === choice);
  const [first, second] = found;
  if (first && !second) return first;
  const has = all.map((one) => one.choice).join(', ');
  throw new RequestError(`${file} has receipts of answers ${has}; choose one with --choice`, 'choice');
}

async function readObject(file: string): Promise<Readonly<Record<string, unknown>>> {
  const value = await readJson(file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new RequestError(`${file}: expected the JSON object of a request`, 'request');
}
