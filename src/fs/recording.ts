/**
 * The start profile that a mount records: its place is looked at before the mount is made, and it is written
 * when the mount is taken away.
 */
import { join, relative } from 'node:path';
import { fromHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { ContentsReader } from '../format/index/contents-reader.ts';
import { MountIndexReader } from '../format/index/reader.ts';
import { formatProfile } from '../format/profile.ts';
import { type FileSource, openFileSource } from '../image/file-source.ts';
import { INDEX_FILES } from '../image/index-files.ts';
import { rootDigestOf } from '../image/open.ts';
import { checkOutput, writeWholeFile } from '../image/output.ts';
import { profileOf, type RecordedProfile } from '../image/record-profile.ts';
import { addon } from '../native/load.ts';
import type { Image } from './images.ts';

/** @throws ERR_USAGE when the file would lie on the mount itself, ERR_CREATE when it cannot be written */
export async function checkRecording(file: string, mountPoint: string): Promise<void> {
  // The daemon must never use its own mount (docs/deadlocks.md).
  if (!relative(mountPoint, file).startsWith('../')) {
    throw new G8Error('ERR_USAGE', `The profile ${file} would lie on the mount that it records`);
  }
  await checkOutput(file);
}

/** @throws ERR_CREATE, ERR_FLIST_FORMAT, ERR_IO */
export async function writeRecording(
  file: string,
  image: Pick<Image, 'dir'>,
  touches: Uint32Array,
): Promise<RecordedProfile> {
  const files: FileSource[] = [];
  try {
    const [index, contents, chunks] = INDEX_FILES.map((name) => {
      const opened = openFileSource(join(image.dir, name));
      files.push(opened);
      return opened;
    }) as [FileSource, FileSource, FileSource];
    const profile = await profileOf(touches, {
      contents: new ContentsReader(contents, chunks),
      index: new MountIndexReader(index),
      rootDigest: fromHex(await rootDigestOf(image.dir, addon())) as Uint8Array,
    });
    await writeWholeFile(file, once(Buffer.from(formatProfile(profile))));
    return profile;
  } finally {
    for (const opened of files) opened.close();
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
