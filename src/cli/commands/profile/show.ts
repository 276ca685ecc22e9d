/** `g8ufs profile show`: what a start profile names, and what that means for an image. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Profile } from '../../../format/profile.ts';
import type { ProfilePlan } from '../../../image/profile-plan.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly flist?: string;
}

export function command(context: Context): Command {
  const show = new Command('show')
    .description('list what a start profile names, in the order of the first touch')
    .argument('<profile>', 'profile, or its URL')
    .option('--flist <flist>', 'say how much of it is in this image, and what that takes')
    .action((profile: string, flags: Flags) => run(context, profile, flags));
  return addHelpSections(show, {
    notes: [
      'Columns: bytes that were touched, their ranges in units of 4 KiB (first+count), path when it was recorded.',
    ],
    examples: [
      ['profile show debian.flist.profile', 'a line for each file, or part of one'],
      ['profile show http://hub:8080/demo/debian.flist.profile', 'the one on a hub'],
      ['profile show old.profile --flist new.flist', 'whether it still fits'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_FLIST_VERSION',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_IO',
      'ERR_PERMISSION',
    ],
  });
}

/** What a profile means for an image. */
interface Fit {
  readonly flist: string;
  readonly rootDigest: string;
  readonly sameImage: boolean;
  readonly stale: boolean;
  readonly byContent: number;
  readonly byPath: number;
  readonly absent: number;
  readonly bytes: number;
  readonly chunks: number;
  /** 0 where the image does not record it. */
  readonly storedBytes: number;
}

async function run(context: Context, place: string, { flist }: Flags): Promise<void> {
  const { readProfile } = await import('../../../image/profile-files.ts');
  const profile = await readProfile(place, context.signal);
  if (profile === undefined) throw new G8Error('ERR_NO_INPUT', `${place} does not exist`);
  const fit = flist === undefined ? undefined : await fitOf(context, profile, flist);
  if (context.json) await printAsJson(context, profile, fit);
  else await print(context, profile, fit);
}

async function fitOf(context: Context, profile: Profile, flist: string): Promise<Fit> {
  const { withImage } = await import('../../image-access.ts');
  const { planProfile } = await import('../../../image/profile-plan.ts');
  const { toHex } = await import('../../../base/bytes.ts');
  return await withImage(context, flist, async (image) => {
    const plan = await planProfile(profile, image, context.signal);
    const rootDigest = await image.rootDigest();
    return {
      flist,
      rootDigest,
      sameImage: rootDigest === toHex(profile.rootDigest),
      stale: plan.stale,
      ...plan.entries,
      bytes: plan.bytes,
      ...chunksOf(plan, image.contents),
    };
  });
}

/** Distinct chunks that a plan fetches. */
function chunksOf(
  plan: ProfilePlan,
  contents: import('../../../format/index/contents-reader.ts').ContentsReader,
): { chunks: number; storedBytes: number } {
  const seen = new Set<string>();
  let storedBytes = 0;
  for (const { row, first, count } of plan.spans) {
    for (let block = first; block < first + count; block++) {
      const chunk = contents.chunk(row, block);
      const id = Buffer.from(chunk.id).toString('hex');
      if (id === '' || seen.has(id)) continue;
      seen.add(id);
      storedBytes += chunk.storedSize;
    }
  }
  return { chunks: seen.size, storedBytes };
}

async function print(context: Context, profile: Profile, fit: Fit | undefined): Promise<void> {
  const { formatSize, toHex } = await import('../../../base/bytes.ts');
  const { printableName } = await import('../../../base/name-text.ts');
  const { Output } = await import('../../ui/output.ts');
  const output = new Output(context);
  const isTerminal = context.stdout.isTTY === true;
  const { entries, rootDigest } = profile;
  for (const entry of entries) {
    const size = formatSize(bytesOf(entry)).padStart(9);
    const ranges = entry.ranges.map(({ first, count }) => `${first}+${count}`).join(',');
    await output.write(`${size}  ${ranges.padEnd(12)}  `);
    await output.write(printableName(entry.path, isTerminal));
    await output.write('\n');
  }
  await output.flush();
  if (context.quiet) return;
  const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
  const files = new Set(entries.map(({ content }) => toHex(content))).size;
  context.stderr.write(
    `${formatSize(bytes)} of ${files} files, recorded of ${toHex(rootDigest)}\n`,
  );
  if (fit !== undefined) context.stderr.write(`${describeFit(fit, formatSize)}\n`);
}

function describeFit(fit: Fit, formatSize: (bytes: number) => string): string {
  const { byContent, byPath, absent, chunks, bytes, storedBytes } = fit;
  const image = fit.sameImage ? 'The same image' : 'Another image';
  const found = `${byContent} found by content, ${byPath} by path, ${absent} not`;
  if (fit.stale) return `${image}: ${found}. It is ignored: most of it is not there`;
  const stored = storedBytes > 0 ? `, ${formatSize(storedBytes)} stored` : '';
  return `${image}: ${found}. ${chunks} chunks, ${formatSize(bytes)}${stored}`;
}

async function printAsJson(
  context: Context,
  profile: Profile,
  fit: Fit | undefined,
): Promise<void> {
  const { toHex } = await import('../../../base/bytes.ts');
  const { printJson } = await import('../../ui/json.ts');
  const { jsonName } = await import('../../../base/name-text.ts');
  const { PROFILE_PAGE_SIZE } = await import('../../../format/profile.ts');
  await printJson(context, {
    rootDigest: toHex(profile.rootDigest),
    bytes: profile.entries.reduce((sum, entry) => sum + bytesOf(entry), 0),
    entries: profile.entries.map(({ content, ranges, path }) => ({
      ...jsonName('path', path),
      content: toHex(content),
      ranges: ranges.map(({ first, count }) => ({
        offset: first * PROFILE_PAGE_SIZE,
        length: count * PROFILE_PAGE_SIZE,
      })),
    })),
    ...(fit !== undefined && { fit }),
  });
}

function bytesOf({ ranges }: Profile['entries'][number]): number {
  return ranges.reduce((sum, { count }) => sum + count * 4096, 0);
}
