/** Whether a chunk can be the one of a content's block: said by the flist, to be checked before it is fetched. Pure. */
import { CODEC, type Codec, DIGEST, type DigestAlgorithm } from '../base/codec.ts';
import { G8Error } from '../base/errors.ts';
import type { Chunk } from '../format/content.ts';
import { isZero, type PartialContent } from './content.ts';

const ALGORITHM_OF_CODEC: Readonly<Record<Codec, DigestAlgorithm | undefined>> = {
  [CODEC.hole]: undefined,
  [CODEC.zstd]: DIGEST.blake2b256,
  [CODEC.legacyG1]: DIGEST.sha256,
  [CODEC.legacyG2]: DIGEST.blake2b128,
  [CODEC.lost]: undefined,
};

/** The decoder checks by the codec's algorithm, the content by its own: they have to agree. */
export function chunkProblem(
  { codec, id }: Chunk,
  content: PartialContent,
  block: number,
): G8Error | undefined {
  const name = `Chunk ${block} of ${content.key}`;
  if (codec === CODEC.lost) return new G8Error('ERR_CHUNK_MISSING', `${name} is lost`);
  const isIdSize = id.length === 16 || id.length === 32;
  const isFit = ALGORITHM_OF_CODEC[codec] === content.algorithm && isIdSize && !isZero(id);
  if (isFit) return undefined;
  const what = `codec ${codec} and an id of ${id.length} bytes`;
  return new G8Error('ERR_FLIST_FORMAT', `${name} cannot have ${what}`);
}
