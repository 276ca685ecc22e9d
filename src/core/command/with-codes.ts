/** Numbers of the protocol for errors of libraries, which know nothing of it. */
import { type ErrorCode, isG8Error } from '../../base/errors.ts';
import { CommandError, type CommandErrorCode } from './error.ts';

const USUAL: Partial<Record<ErrorCode, CommandErrorCode>> = {
  ERR_PROTOCOL: 400,
  ERR_NO_INPUT: 404,
};

/**
 * Runs a step; its errors get the number of their code, and those without one stay as they are, which is 500.
 *
 * @throws CommandError
 */
export async function withCodes<T>(
  codes: Partial<Record<ErrorCode, CommandErrorCode>>,
  step: () => T | Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!isG8Error(error)) throw error;
    const code = { ...USUAL, ...codes }[error.code];
    throw code === undefined ? error : new CommandError(code, error.message, { cause: error });
  }
}
