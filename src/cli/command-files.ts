/**
 * The files of `commands/`, by their paths without an ending. In the bundle of the program there are none:
 * scripts/bundle.mjs puts a table in the place of this module.
 */
import { existsSync, readdirSync } from 'node:fs';
import type { Command } from 'commander';
import type { Context } from './context.ts';

const COMMANDS = new URL('./commands/', import.meta.url);

export interface CommandModule {
  command(context: Context): Command;
}

/** @param folder empty, or the name of a group and a slash */
export function commandFiles(folder: string): string[] {
  const path = new URL(folder === '' ? './' : folder, COMMANDS);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.js'))
    .map((name) => `${folder}${name.slice(0, -'.js'.length)}`);
}

export function hasCommandFile(file: string): boolean {
  return existsSync(new URL(`${file}.js`, COMMANDS));
}

export async function loadCommandFile(file: string): Promise<CommandModule> {
  return (await import(new URL(`${file}.js`, COMMANDS).href)) as CommandModule;
}
