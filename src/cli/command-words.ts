/**
 * Commands whose last argument is another command: what follows the first word behind their own flags belongs
 * to that one, flags included, as in `g8ufs core run debian.flist ls -l`.
 */
import type { Command } from 'commander';

const marked = new WeakSet<Command>();

/** Says that a command takes one argument and then a command of others. */
export function takesCommand(command: Command): Command {
  marked.add(command);
  return command;
}

/** Puts `--` in front of the words of the inner command; other command lines stay as they are. */
export function separateCommand(program: Command, args: readonly string[]): string[] {
  let command = program;
  for (let i = 0; i < args.length; i++) {
    const word = args[i] as string;
    if (word === '--') break;
    if (word.startsWith('-') && word !== '-') {
      if (takesValue(word, program, command)) i++;
      continue;
    }
    if (marked.has(command)) {
      const rest = args.slice(i + 1);
      return rest[0] === '--' ? [...args] : [...args.slice(0, i + 1), '--', ...rest];
    }
    const next = command.commands.find((child) => child.name() === word);
    if (next === undefined) break;
    command = next;
  }
  return [...args];
}

function takesValue(word: string, program: Command, command: Command): boolean {
  const option = [...program.options, ...command.options].find(
    ({ short, long }) => word === short || word === long,
  );
  return option?.required === true;
}
