/** `g8ufs flist keygen`: a pair of keys to sign images with. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const keygen = new Command('keygen')
    .description('make a pair of keys to sign flists with')
    .argument(
      '<path>',
      'beginning of the names: <path>.key is the secret key, <path>.pub the public one',
    )
    .action((path: string) => run(context, path));
  return addHelpSections(keygen, {
    notes: [
      'Whoever has the secret key can sign as you. It is not encrypted; only its owner can read it. Openssl makes and reads such keys too: Ed25519, PKCS #8, PEM.',
    ],
    examples: [['flist keygen release', 'release.key to sign with, release.pub to give away']],
    failures: ['ERR_CREATE'],
  });
}

async function run(context: Context, path: string): Promise<void> {
  const { makeKeys } = await import('../../../image/signature-files.ts');
  const keys = await makeKeys(path);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, keys);
  } else if (!context.quiet) {
    context.stdout.write(`Key ${keys.keyId}: ${keys.secret} (keep it secret), ${keys.public}\n`);
  }
}
