/**
 * How much of an image is local: looks its contents up in the catalog, batch by batch, so that the event
 * loop gets its turns. What another content could be copied from is not counted: it is not there yet.
 */
import { toHex } from '../base/bytes.ts';
import type { PartialContent } from './content.ts';
import type { CacheParts } from './parts.ts';

/** Contents of one look-up: a millisecond or so. */
const BATCH_COUNT = 512;

/** A content of an image; `dataBytes` is its size without holes. */
export interface SurveyedContent {
  readonly digest: Uint8Array;
  readonly dataBytes: number;
}

/** Bytes are those outside holes, each content counted once. */
export interface Survey {
  readonly localBytes: number;
  readonly totalBytes: number;
  readonly localFiles: number;
  readonly totalFiles: number;
}

/** @param isLanding whether the content with this key is still being fetched, whatever its record says */
export async function surveyContents(
  parts: Pick<CacheParts, 'catalog' | 'partials'>,
  contents: Iterable<SurveyedContent>,
  isLanding: (key: string) => boolean,
): Promise<Survey> {
  const sums = { localBytes: 0, totalBytes: 0, localFiles: 0, totalFiles: 0 };
  let batch: SurveyedContent[] = [];
  const look = async (): Promise<void> => {
    const records = await parts.catalog.findMany(batch.map(({ digest }) => digest));
    for (const [index, { digest, dataBytes }] of batch.entries()) {
      const record = records[index];
      const key = toHex(digest);
      sums.totalBytes += dataBytes;
      if (isLanding(key)) continue;
      if (record?.complete === true) {
        sums.localBytes += dataBytes;
        sums.localFiles++;
        continue;
      }
      const partial = parts.partials.find(key);
      // Of what an earlier process left, what it takes on disk; it is verified before its first use.
      const bytes = partial === undefined ? (record?.bytes ?? 0) : presentBytes(partial);
      sums.localBytes += Math.min(bytes, dataBytes);
    }
    sums.totalFiles += batch.length;
    batch = [];
  };
  for (const content of contents) {
    batch.push(content);
    if (batch.length === BATCH_COUNT) await look();
  }
  if (batch.length > 0) await look();
  return sums;
}

function presentBytes(content: PartialContent): number {
  let bytes = 0;
  for (let block = 0; block < content.chunkCount; block++) {
    if (content.isPresent(block) && !content.isHole(block)) bytes += content.plainSize(block);
  }
  return bytes;
}
