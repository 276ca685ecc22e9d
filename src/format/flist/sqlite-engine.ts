/** The sqlite engine, in WebAssembly: loaded when the first database of its generation is met. */
import type { SqlJsStatic } from 'sql.js';

let engine: Promise<SqlJsStatic> | undefined;

export function loadEngine(): Promise<SqlJsStatic> {
  engine ??= import('sql.js').then((module) => module.default());
  return engine;
}
