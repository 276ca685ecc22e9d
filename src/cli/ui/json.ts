/** JSON for scripts: bytes as lower-case hex, big numbers as they are written. */
import { toHex } from '../../base/bytes.ts';
import type { Context } from '../context.ts';
import { writeAll } from './output.ts';

/** One value as one line. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value, replacer)}\n`;
}

/** Prints one document to stdout. */
export async function printJson(context: Context, value: unknown): Promise<void> {
  const text = `${JSON.stringify(value, replacer, 2)}\n`;
  await writeAll(context.stdout, text, context.signal);
}

function replacer(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  return typeof value === 'bigint' ? value.toString() : value;
}
