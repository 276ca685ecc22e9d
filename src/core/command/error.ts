/**
 * How a command of the core protocol fails: the text and the number that its client sees. Everything that
 * is thrown by a command and has no number of its own is 500.
 */
import { reasonOf } from '../../base/errors.ts';

/** Bad request, not found, not acceptable, refused, precondition failed, everything else, unavailable. */
export type CommandErrorCode = 400 | 404 | 406 | 409 | 412 | 500 | 503;

export class CommandError extends Error {
  readonly code: CommandErrorCode;

  /** @param message for the client: lower case as the protocol's own texts, without a final period */
  constructor(code: CommandErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'CommandError';
    this.code = code;
  }
}

/** Text and code of whatever a command has thrown. */
export function commandFailure(error: unknown): { code: CommandErrorCode; message: string } {
  if (error instanceof CommandError) return { code: error.code, message: error.message };
  const message = error instanceof Error ? reasonOf(error) : String(error);
  return { code: 500, message };
}
