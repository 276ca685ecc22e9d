/** The error for an OCI or docker image that cannot be used: one place for its code. */
import { G8Error } from '../../base/errors.ts';

/** A peer's or a file's text made fit for a message: one short line, nothing a terminal would act on. */
export function showText(text: string): string {
  const plain = text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?');
  return text.length > 200 ? `${plain}…` : plain;
}

/** @param message one sentence, subject first */
export function malformedImage(message: string, cause?: unknown): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', message, cause === undefined ? {} : { cause });
}
