/**
 * The expression of `flist find`: words as find(1) takes them, with one dash or two, compiled to a function.
 * Tests, operators and actions are in `tests.ts` and here; nothing is read while compiling. Pure.
 */
import { G8Error } from '../../base/errors.ts';
import { type FindEntry, parseCount, TESTS, type Test } from './tests.ts';

/** What the actions of an expression ask for. Cleared by the caller before each entry. */
export interface FindEffects {
  /** In the order of the expression. */
  readonly outputs: FindOutput[];
  /** Nothing below this folder. */
  isPruned: boolean;
  /** Nothing more at all. */
  isLast: boolean;
}

export type FindOutput = 'print' | 'print0' | 'ls';

export interface FindExpression {
  readonly depthMin: number;
  readonly depthMax: number;
  /** Evaluates an entry; what is to be done is in `effects` afterwards. */
  run(entry: FindEntry, effects: FindEffects): void;
}

type Step = (entry: FindEntry, effects: FindEffects) => boolean;

/** Open brackets and negations within each other. */
const NESTING_MAX = 100;

const OUTPUTS: Readonly<Record<string, FindOutput>> = {
  print: 'print',
  print0: 'print0',
  0: 'print0',
  ls: 'ls',
};

/** Whether a word of a command line begins the expression; before it are paths. */
export function isExpressionWord(word: string): boolean {
  return word === '!' || word === '(' || word === ')' || (word.startsWith('-') && word !== '-');
}

/**
 * @param words of the command line behind the paths
 * @param nowMs time that ages are counted from
 * @throws ERR_USAGE naming the word
 */
export function compileFind(words: readonly string[], nowMs = Date.now()): FindExpression {
  return new Parser(words, nowMs).parse();
}

class Parser {
  readonly #words: string[];
  readonly #nowMs: number;
  #at = 0;
  #nesting = 0;
  #depthMin = 0;
  #depthMax = Number.POSITIVE_INFINITY;
  #hasOutput = false;

  constructor(words: readonly string[], nowMs: number) {
    // `--name=x` is what `--name x` is.
    this.#words = words.flatMap((word) => {
      const match = /^(--[a-z][a-z0-9-]*)=(.*)$/s.exec(word);
      return match === null ? [word] : [match[1] as string, match[2] as string];
    });
    this.#nowMs = nowMs;
  }

  parse(): FindExpression {
    const tree: Step = this.#words.length === 0 ? () => true : this.#either();
    const rest = this.#words[this.#at];
    if (rest !== undefined) throw usage(`'${rest}' is not expected here`);
    const run = this.#hasOutput ? tree : both(tree, output('print'));
    return { depthMin: this.#depthMin, depthMax: this.#depthMax, run };
  }

  #either(): Step {
    const steps = [this.#all()];
    while (this.#takeOperator('o', 'or')) steps.push(this.#all());
    if (steps.length === 1) return steps[0] as Step;
    return (entry, effects) => steps.some((step) => step(entry, effects));
  }

  #all(): Step {
    const steps = [this.#one()];
    for (let word = this.#words[this.#at]; word !== undefined; word = this.#words[this.#at]) {
      if (word === ')' || ['o', 'or'].includes(nameOf(word) ?? '')) break;
      this.#takeOperator('a', 'and');
      steps.push(this.#one());
    }
    if (steps.length === 1) return steps[0] as Step;
    return (entry, effects) => steps.every((step) => step(entry, effects));
  }

  #one(): Step {
    const word = this.#words[this.#at++];
    if (word === undefined) throw usage('The expression ends too early');
    if (++this.#nesting > NESTING_MAX) throw usage('The expression is nested too deeply');
    try {
      if (word === '!' || nameOf(word) === 'not') {
        const step = this.#one();
        return (entry, effects) => !step(entry, effects);
      }
      if (word === '(') {
        const step = this.#either();
        if (this.#words[this.#at++] !== ')') throw usage("A '(' is not closed");
        return step;
      }
      return this.#primary(word);
    } finally {
      this.#nesting--;
    }
  }

  #primary(word: string): Step {
    const name = nameOf(word);
    if (name === undefined) throw usage(`'${word}' is no predicate; paths go before all of them`);
    const printed = OUTPUTS[name];
    if (printed !== undefined) {
      this.#hasOutput = true;
      return output(printed);
    }
    switch (name) {
      case 'true':
      case 'false':
        return () => name === 'true';
      case 'prune':
        return (_entry, effects) => {
          effects.isPruned = true;
          return true;
        };
      case 'quit':
        return (_entry, effects) => {
          effects.isLast = true;
          return true;
        };
      case 'maxdepth':
        this.#depthMax = parseCount(word, this.#value(word));
        return () => true;
      case 'mindepth':
        this.#depthMin = parseCount(word, this.#value(word));
        return () => true;
      case 'empty':
        return (entry) => entry.isEmpty();
    }
    const make = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
    if (make === undefined) throw usage(`'${word}' is no predicate of find`);
    return make(this.#value(word), word, this.#nowMs) satisfies Test;
  }

  #value(word: string): string {
    const value = this.#words[this.#at++];
    if (value === undefined) throw usage(`'${word}' needs a value`);
    return value;
  }

  #takeOperator(...names: readonly string[]): boolean {
    const word = this.#words[this.#at];
    if (word === undefined || !names.includes(nameOf(word) ?? '')) return false;
    this.#at++;
    return true;
  }
}

function nameOf(word: string): string | undefined {
  return /^--?([a-z0-9][a-zA-Z0-9-]*)$/.exec(word)?.[1];
}

function both(first: Step, second: Step): Step {
  return (entry, effects) => first(entry, effects) && second(entry, effects);
}

function output(kind: FindOutput): Step {
  return (_entry, effects) => {
    effects.outputs.push(kind);
    return true;
  };
}

function usage(message: string): G8Error {
  return new G8Error('ERR_USAGE', message);
}
