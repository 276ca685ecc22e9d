/** What is told when several stores were asked and none had a chunk. Pure. */
import { CODES, G8Error, isG8Error } from '../base/errors.ts';
import { plural } from '../base/plural.ts';
import type { ChunkId } from './store.ts';

/**
 * The failure to give for a chunk: it is missing only if everyone who could have it answered so.
 *
 * @param name of the stores together
 */
export function failureOf(id: ChunkId, errors: readonly unknown[], name: string): unknown {
  if (errors.length === 1) return errors[0];
  if (errors.some((error) => !isG8Error(error, 'ERR_CHUNK_MISSING'))) {
    return mostInformative(errors, id);
  }
  const message =
    errors.length === 0
      ? `No store is configured for chunk ${id}`
      : `Chunk ${id} is in none of ${name}`;
  return new G8Error('ERR_CHUNK_MISSING', message, { details: { id } });
}

/**
 * Of several failures the one that helps most: what may pass says that trying again can help; then
 * what someone can mend; "missing" comes last, since another store could not say.
 */
export function mostInformative(errors: readonly unknown[], id?: ChunkId): unknown {
  const ranked = [...errors].sort((a, b) => rankOf(a) - rankOf(b));
  const best = ranked[0];
  if (!isG8Error(best) || errors.length === 1) return best;
  return new G8Error(best.code, best.message, {
    cause: new AggregateError(errors, `${plural(errors.length, 'store')} failed`),
    details: id === undefined ? best.details : { ...best.details, id },
  });
}

function rankOf(error: unknown): number {
  if (!isG8Error(error)) return 0; // A bug: never hide it behind a failure of the network.
  if (CODES[error.code].retryable) return 1;
  if (error.code === 'ERR_CHUNK_MISSING') return 5;
  if (error.code === 'ERR_CONFIG') return 4;
  return error.code === 'ERR_PERMISSION' ? 2 : 3;
}
