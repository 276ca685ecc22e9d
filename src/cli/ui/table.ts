/** Tables without borders, so that other programs can cut them; a header only on a terminal. */
import type { Context } from '../context.ts';
import { paint } from './color.ts';
import { writeAll } from './output.ts';

interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const NO_BORDERS = Object.fromEntries(
  ['top', 'bottom', 'left', 'right']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('mid', 'mid-mid')
    .map((part) => [part, '']),
);

/** The rows as text with a newline after each, columns two spaces apart. */
export async function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  mode: { header: boolean; color: boolean },
): Promise<string> {
  if (rows.length === 0 && !mode.header) return '';
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    chars: { ...NO_BORDERS, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: columns.map((column) => column.align ?? 'left'),
  });
  if (mode.header) table.push(columns.map(({ title }) => paint('bold', title, mode.color)));
  for (const row of rows) table.push([...row]);
  const lines = table.toString().split('\n');
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** Prints a table to stdout. */
export async function printTable(
  context: Context,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): Promise<void> {
  const mode = { header: context.stdout.isTTY === true, color: context.color };
  const text = await formatTable(columns, rows, mode);
  if (text !== '') await writeAll(context.stdout, text, context.signal);
}
