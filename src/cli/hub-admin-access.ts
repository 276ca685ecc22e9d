/** What `hub user`, `hub token` and `hub repo` share: the hub they are about, how they show what it answers. */
import type { Command } from 'commander';
import type { ErrorCode } from '../base/errors.ts';
import type { Context } from './context.ts';
import { addHelpSections, type HelpSections } from './help.ts';

const FAILURES: readonly ErrorCode[] = [
  'ERR_NO_INPUT',
  'ERR_HOST_UNKNOWN',
  'ERR_STORE_UNAVAILABLE',
  'ERR_TIMEOUT',
  'ERR_PROTOCOL',
  'ERR_PERMISSION',
  'ERR_CONFIG',
];

export interface HubFlags {
  readonly hub?: string;
}

/** The flag for the hub, and the sections of the help page that are the same everywhere. */
export function addAdminSections(command: Command, sections: HelpSections): Command {
  command.option('--hub <url>', 'the hub (default: G8UFS_HUB)');
  return addHelpSections(command, { settings: ['hub'], failures: FAILURES, ...sections });
}

/** A group of commands, one for each thing that can be done. */
export function addAll(group: Command, commands: readonly Command[]): Command {
  // As the tree of commands does for those that have a file of their own.
  for (const command of commands) group.addCommand(command.copyInheritedSettings(group));
  return group.helpCommand(false);
}

/** Shows one thing: as JSON, or a line for each of its facts. */
export async function printFacts(
  context: Context,
  value: object,
  facts: readonly (readonly [title: string, text: string | undefined])[],
): Promise<void> {
  if (context.json) {
    const { printJson } = await import('./ui/json.ts');
    await printJson(context, value);
    return;
  }
  if (context.quiet) return;
  const { formatTable } = await import('./ui/table.ts');
  const { writeAll } = await import('./ui/output.ts');
  const rows = facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
  const mode = { header: false, color: context.color };
  const text = await formatTable([{ title: '' }, { title: '' }], rows, mode);
  await writeAll(context.stdout, text, context.signal);
}

/** Shows many: as JSON, or as a table. */
export async function printAll<T>(
  context: Context,
  values: readonly T[],
  columns: readonly { readonly title: string; readonly text: (value: T) => string }[],
): Promise<void> {
  if (context.json) {
    const { printJson } = await import('./ui/json.ts');
    await printJson(context, values);
    return;
  }
  const { printTable } = await import('./ui/table.ts');
  const rows = values.map((value) => columns.map(({ text }) => text(value)));
  await printTable(context, columns, rows);
}

/** Says that something was done, to who did not ask for JSON. */
export async function printDone(context: Context, value: object, text: string): Promise<void> {
  if (context.json) {
    const { printJson } = await import('./ui/json.ts');
    await printJson(context, value);
  } else if (!context.quiet) {
    context.stdout.write(`${text}\n`);
  }
}

/** All of a listing. */
export async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
