/**
 * Extensions: commands that a table of the configuration makes of programs. `{name}` in their words is
 * replaced by the argument of this name; the argument `stdin` is their input.
 */
import type { Extension } from '../settings.ts';
import type { Arguments } from './arguments.ts';
import { text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { ProcessCommand } from './registry.ts';

export function extensionCommands(
  extensions: ReadonlyMap<string, Extension>,
): Record<string, ProcessCommand> {
  return Object.fromEntries(
    [...extensions].map(([name, extension]) => [name, extensionCommand(extension)]),
  );
}

function extensionCommand({ binary, cwd, args: words, env }: Extension): ProcessCommand {
  return {
    isPidShown: false,
    plan: (args) => ({
      argv: [binary, ...words.map((word) => fillIn(word, args))],
      cwd,
      env,
      stdin: text(args, 'stdin', ''),
    }),
  };
}

/** @throws CommandError 400 when an argument is missing or is no plain value */
function fillIn(word: string, args: Arguments): string {
  return word.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = Object.hasOwn(args, name) ? args[name] : undefined;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw new CommandError(400, `argument '${name}' has to be a plain value`);
  });
}
