/** The catalogue that a URL names. */
import { G8Error } from '../../base/errors.ts';
import { Catalogue } from './catalogue.ts';
import { LevelEngine } from './level-engine.ts';

/**
 * Opens `level:<folder>`.
 *
 * @param options.fsync flush commits to the device, default true
 * @throws ERR_CONFIG for another URL, ERR_CACHE_LOCKED, ERR_IO
 */
export async function openCatalogue(
  url: string,
  options: { fsync?: boolean } = {},
): Promise<Catalogue> {
  if (url.startsWith('level:') && url.length > 'level:'.length) {
    return new Catalogue(await LevelEngine.open(url.slice('level:'.length), options));
  }
  throw new G8Error('ERR_CONFIG', 'The catalogue is given as level:<folder>');
}
