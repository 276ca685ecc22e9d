/** The catalogue that a URL names. */
import { G8Error } from '../../base/errors.ts';
import { Catalogue } from './catalogue.ts';
import { LevelEngine } from './level-engine.ts';

const LEVEL = 'level:';
const POSTGRES = /^postgres(?:ql)?:\/\//;

/**
 * Opens `level:<folder>` or `postgres://<user>@<host>/<database>`.
 *
 * @param options.fsync flush commits of LevelDB to the device, default true
 * @throws ERR_CONFIG for another URL, ERR_CACHE_LOCKED, ERR_PERMISSION, ERR_STORE_UNAVAILABLE, ERR_IO
 */
export async function openCatalogue(
  url: string,
  options: { fsync?: boolean } = {},
): Promise<Catalogue> {
  if (url.startsWith(LEVEL) && url.length > LEVEL.length) {
    return new Catalogue(await LevelEngine.open(url.slice(LEVEL.length), options));
  }
  if (POSTGRES.test(url)) {
    // Only the hubs that use it load it.
    const { PostgresEngine } = await import('./postgres-engine.ts');
    return new Catalogue(await PostgresEngine.open(url));
  }
  throw new G8Error('ERR_CONFIG', 'The catalogue is given as level:<folder> or postgres://…');
}
