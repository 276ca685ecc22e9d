/** Environment variables as flags have them. Pure. */
import { G8Error } from '../base/errors.ts';

/** @param texts `NAME=value` @throws ERR_USAGE */
export function parseVariables(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new G8Error('ERR_USAGE', `'${text}' is not of the form NAME=value`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
