/** `g8ufs flist sign`: says with a key that an image is what its maker meant. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly key: string;
  readonly signature?: string;
}

export function command(context: Context): Command {
  const sign = new Command('sign')
    .description('sign a flist: its tree and its metadata')
    .argument('<flist>', 'flist file')
    .requiredOption('--key <file>', 'secret key; only its owner may be able to read it')
    .option('--signature <file>', 'file to write (default: beside the flist, with .sig)')
    .action((flist: string, flags: Flags) => run(context, flist, flags));
  return addHelpSections(sign, {
    notes: [
      'The signature covers the root digest and the metadata, not the stores: chunks may move. A signature file can hold those of several keys; one by the same key is replaced.',
    ],
    examples: [
      ['flist sign debian.flist --key release.key', 'writes debian.flist.sig'],
      ['flist verify debian.flist --key release.pub', 'what others do with it'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, flist: string, flags: Flags): Promise<void> {
  const { readSecretKey, readSignatures } = await import('../../../image/signature-files.ts');
  const { signaturePlace } = await import('../../../image/require-signature.ts');
  const { formatSignatures, signImage } = await import('../../../format/signature.ts');
  const { writeWholeFile } = await import('../../../image/output.ts');
  const { withImage } = await import('../../image-access.ts');
  if (/^https?:/i.test(flist)) throw new G8Error('ERR_USAGE', 'Only a flist file can be signed');
  const secret = await readSecretKey(flags.key);
  const place = flags.signature ?? signaturePlace(flist);
  await withImage(context, flist, async (image) => {
    const rootDigest = Buffer.from(await image.rootDigest(), 'hex');
    const signature = signImage({ rootDigest, metadata: image.metadata }, secret);
    const others = ((await readSignatures(place, context.signal)) ?? []).filter(
      ({ keyId }) => keyId !== signature.keyId,
    );
    const text = Buffer.from(formatSignatures([...others, signature]));
    await writeWholeFile(place, once(text), context.signal);
    const { keyId } = signature;
    const result = { signature: place, keyId, rootDigest: await image.rootDigest() };
    if (context.json) {
      const { printJson } = await import('../../ui/json.ts');
      await printJson(context, result);
    } else if (!context.quiet) {
      const { escapeName } = await import('../../../base/name-text.ts');
      const name = escapeName(Buffer.from(place));
      context.stdout.write(`${name}: root digest ${result.rootDigest} signed by key ${keyId}\n`);
    }
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
