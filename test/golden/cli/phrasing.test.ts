/** What all commands have in common: parts of their pages, and how descriptions are written. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createContext } from '../../../src/cli/context.ts';
import {
  allCommands,
  type CommandModel,
  describeCommand,
  globalOptions,
  PLACEHOLDERS,
} from '../../../src/cli/describe/model.ts';
import { loadProgram } from '../../../src/cli/program.ts';

/** A line of a help page; longer ones are two thoughts. */
const DESCRIPTION_LENGTH_MAX = 95;

const context = createContext(process, {}, new AbortController().signal, () => ({}));
const program = describeCommand(await loadProgram(context));
const commands = allCommands(program);

for (const command of commands) {
  const name = ['g8ufs', ...command.path].join(' ');
  test(`${name} has examples, of itself first, and exit codes`, () => {
    assert.ok(command.examples.length > 0, 'no examples');
    // Others may show what goes before or comes after it.
    const [first = ''] = command.examples.map(([line]) => line);
    assert.ok(`${first} `.startsWith(`${command.path.join(' ')} `.trimStart()), first);
    // Groups of commands and the program itself do nothing.
    const isLeaf = command.commands.length === 0;
    assert.equal(command.exitCodes.length > 0, isLeaf);
  });

  test(`${name} is described in the manner of the others`, () => {
    for (const text of textsOf(command)) {
      assert.match(text, /^\S.*\S$/, 'empty or with blanks around');
      assert.doesNotMatch(text, /[.:;,]$/, text);
      assert.doesNotMatch(text, /^[A-Z][a-z]/, text);
      assert.doesNotMatch(text, / {2}/, text);
      assert.ok(text.length <= DESCRIPTION_LENGTH_MAX, `${text.length} characters: ${text}`);
    }
  });

  test(`${name} has no option twice, and values that shells know`, () => {
    const options = command === program ? [] : globalOptions(program);
    const flags = [...options, ...command.options]
      .flatMap(({ short, long }) => [short, long])
      .filter((flag) => flag !== undefined);
    assert.deepEqual(
      flags.filter((flag, i) => flags.indexOf(flag) !== i),
      [],
    );
    const values = [...command.options.map(({ value }) => value), ...command.arguments];
    const unknown = values.filter(
      (value) =>
        value !== undefined && value.kind !== 'words' && !(value.placeholder in PLACEHOLDERS),
    );
    assert.deepEqual(unknown, []);
  });
}

function textsOf(command: CommandModel): string[] {
  return [
    // The program's own line is a title.
    ...(command === program ? [] : [command.description]),
    ...command.options.map(({ description }) => description),
    ...command.arguments.map(({ description }) => description),
    ...command.examples.map(([, purpose]) => purpose),
    ...command.exitCodes.map(([, meaning]) => meaning),
  ];
}
