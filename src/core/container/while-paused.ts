/** A container that stands still while some of it is packed: one state is read, and nobody changes names meanwhile. */
import type { Addon } from '../../native/addon.ts';
import { addon } from '../../native/load.ts';
import { openStore } from '../../store/open.ts';
import type { WritableChunkStore } from '../../store/store.ts';
import type { Container } from './container.ts';
import { whileStill } from './while-still.ts';

/**
 * Opens the store at a URL, pauses the container, and undoes both whatever the work comes to.
 *
 * @throws ERR_CONFIG for a URL that names no store; what pausing and the work throw
 */
export async function whilePaused<T>(
  container: Container,
  storage: string,
  work: (store: WritableChunkStore, binding: Addon) => Promise<T>,
): Promise<T> {
  const binding = addon();
  const { writeChunks, findChunks } = binding;
  const store = openStore(storage, { writeChunks, findChunks });
  try {
    return await whileStill(container, () => work(store, binding));
  } finally {
    await store.close();
  }
}
