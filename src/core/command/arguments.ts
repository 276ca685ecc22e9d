/**
 * Reads the arguments of a command: each function takes one argument and its type. JSON `null` counts as
 * missing, as the protocol's clients send it for everything that was not set.
 */
import { CommandError } from './error.ts';

export type Arguments = Readonly<Record<string, unknown>>;

/** @throws CommandError 400 when it is no text, or missing without a fallback */
export function text(args: Arguments, name: string, fallback?: string): string {
  const value = given(args, name, fallback, 'a string');
  if (typeof value !== 'string') throw wrong(name, 'a string');
  return value;
}

/** @throws CommandError 400 when it is no whole number, or missing without a fallback */
export function integer(args: Arguments, name: string, fallback?: number): number {
  const value = given(args, name, fallback, 'a whole number');
  if (!Number.isSafeInteger(value)) throw wrong(name, 'a whole number');
  return value as number;
}

/** Missing is false. @throws CommandError 400 */
export function flag(args: Arguments, name: string): boolean {
  const value = given(args, name, false, 'true or false');
  if (typeof value !== 'boolean') throw wrong(name, 'true or false');
  return value;
}

/** Missing is empty. @throws CommandError 400 */
export function texts(args: Arguments, name: string): string[] {
  const value = given(args, name, [], 'a list of strings');
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string')) {
    throw wrong(name, 'a list of strings');
  }
  return value as string[];
}

/** Missing is empty. @throws CommandError 400 */
export function integers(args: Arguments, name: string): number[] {
  const value = given(args, name, [], 'a list of whole numbers');
  if (!Array.isArray(value) || value.some((each) => !Number.isSafeInteger(each))) {
    throw wrong(name, 'a list of whole numbers');
  }
  return value as number[];
}

/** Missing is empty. @throws CommandError 400 */
export function textMap(args: Arguments, name: string): Record<string, string> {
  const value = given(args, name, {}, 'an object of strings');
  const isMap = typeof value === 'object' && !Array.isArray(value);
  if (!isMap || Object.values(value as object).some((each) => typeof each !== 'string')) {
    throw wrong(name, 'an object of strings');
  }
  return value as Record<string, string>;
}

/** @throws CommandError 400 when it is no object, or missing */
export function object(args: Arguments, name: string): Arguments {
  const value = given(args, name, undefined, 'an object');
  if (typeof value !== 'object' || Array.isArray(value)) throw wrong(name, 'an object');
  return value as Arguments;
}

function given(args: Arguments, name: string, fallback: unknown, expected: string): unknown {
  // Never what an object has by birth.
  const value = Object.hasOwn(args, name) ? (args[name] ?? fallback) : fallback;
  if (value === undefined) throw wrong(name, expected);
  return value;
}

function wrong(name: string, expected: string): CommandError {
  return new CommandError(400, `argument '${name}' has to be ${expected}`);
}
