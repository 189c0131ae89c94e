/** `steelyard audit`: the log of what a server did, checked and copied. */

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { AuditEntry, AuditHead, AuditVerdict } from '@steelyard/storage';
import type { RegisterCommand } from '../command.ts';
import { addExamples, wholeNumber } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_ERROR, UsageError } from '../errors.ts';
import { addAdministrationOptions, type AdministrationFlags } from '../records/administration.ts';
import { withAudit } from '../records/audit-source.ts';
import { plural } from '../terminal/format.ts';

interface VerifyFlags extends AdministrationFlags {
  readonly file?: string;
  readonly head?: AuditHead;
  readonly json?: boolean;
}

interface ExportFlags extends AdministrationFlags {
  readonly after?: number;
  readonly project?: string;
}

const MOST_ENTRIES = Number.MAX_SAFE_INTEGER;

export const registerAudit: RegisterCommand = (program, context, exit) => {
  const audit = program.command('audit').description('check and copy the log of what a server did');
  const verify = audit
    .command('verify')
    .description('follow the chain of hashes to its end, or to the first entry that breaks it')
    .option('--file <path>', 'an export, instead of the log itself')
    .option('--head <sequence:hash>', 'a head noted earlier, which the log must hold', parseHead)
    .option('--json', 'write the finding as JSON')
    .action(async (flags: VerifyFlags) => exit(await runVerify(flags, context)));
  addAdministrationOptions(verify);
  const copy = audit
    .command('export')
    .description('write the entries, one JSON object a line')
    .option('--after <sequence>', 'entries after this one', wholeNumber('--after', 0, MOST_ENTRIES))
    .option('--project <id>', 'only of this project; such an export cannot be verified alone')
    .action((flags: ExportFlags) => runExport(flags, context));
  addAdministrationOptions(copy);
  addExamples(audit, [
    'steelyard audit verify',
    'STEELYARD_ADMIN_KEY=KEY steelyard audit verify --url http://127.0.0.1:8642',
    'steelyard audit verify --head 1207:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'steelyard audit export > audit.jsonl',
    'steelyard audit verify --file audit.jsonl',
  ]);
};

async function runVerify(flags: VerifyFlags, context: CommandContext): Promise<number> {
  const { verifyChain } = await import('@steelyard/storage');
  const verdict = flags.file
    ? await verifyChain(readExport(flags.file), flags.head)
    : await withAudit(flags, context, (read) => verifyChain(read(), flags.head));
  if (flags.json) context.printJson(verdict);
  else report(verdict, context);
  return verdict.intact ? 0 : EXIT_ERROR;
}

function report(verdict: AuditVerdict, context: CommandContext): void {
  if (verdict.intact) {
    const { sequence, hash } = verdict.head;
    context.print(`${plural(verdict.entries, 'entry', 'entries')}, each in its place and unchanged`);
    context.print(`head ${sequence}:${hash}`);
    context.note(
      'Note the head where nobody can change it: with --head it shows later whether the end was cut off.',
    );
    return;
  }
  const { sequence, reason } = verdict.broken;
  context.note(`${context.errorStyle.red('broken')} at entry ${sequence}: ${reason}`);
  context.note(`${plural(verdict.entries, 'entry', 'entries')} before it, each in its place and unchanged`);
}

async function runExport({ after, project, ...flags }: ExportFlags, context: CommandContext): Promise<void> {
  const query = { ...(after === undefined ? {} : { after }), ...(project === undefined ? {} : { project }) };
  await withAudit(flags, context, async (read) => {
    for await (const entry of read(query)) context.print(JSON.stringify(entry));
  });
}

/** @throws UsageError naming the line that is no entry */
async function* readExport(path: string): AsyncGenerator<AuditEntry> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path) })) {
    line++;
    try {
      yield JSON.parse(text) as AuditEntry;
    } catch {
      throw new UsageError(`${path}, line ${line}, is not JSON; expected what 'audit export' writes`);
    }
  }
}

function parseHead(text: string): AuditHead {
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (!sequence || !hash)
    throw new UsageError(`--head is '${text}'; expected SEQUENCE:HASH as 'steelyard audit verify' prints it`);
  return { sequence: Number(sequence), hash };
}
