/** `g8ufs flist build`: makes a flist of programs of this machine or of Debian packages, as a recipe says. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import type { CreateFlags } from '../../create-access.ts';
import { addCreateFlags } from '../../create-flags.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const build = new Command('build')
    .description('make a flist from a recipe; a recipe may run programs, so trust it first')
    .argument('<recipe>', 'YAML file, such as flists/sample.yaml')
    .argument('<flist>', 'file to write');
  addCreateFlags(build).action((recipe: string, flist: string, flags: CreateFlags) =>
    run(context, recipe, flist, flags),
  );
  return addHelpSections(build, {
    examples: [
      [
        'flist build flists/sample.yaml sample.flist --store http://127.0.0.1:8080',
        'a small root file system of programs of this machine',
      ],
      [
        'flist build flists/python.yaml python.flist --store dir:///srv/chunks',
        'an image of Debian packages; needs root and mmdebstrap',
      ],
    ],
    settings: ['stores', 'blockSize', 'level'],
    failures: [
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(
  context: Context,
  recipePath: string,
  flist: string,
  flags: CreateFlags,
): Promise<void> {
  const { createAndReport } = await import('../../create-access.ts');
  const { readRecipe, recipeMetadata, RECIPE_MTIME_SECONDS, RECIPE_OWNER, withStagedRecipe } =
    await import('../../../image/recipe.ts');
  const recipe = await readRecipe(recipePath);
  const { env, signal } = context;
  const onStep = (step: string): void => {
    if (context.progress !== 'none' || context.verbose) context.stderr.write(`Building: ${step}\n`);
  };
  // Packages have recorded owners and times; what comes from this machine has none that mean anything.
  const attributes =
    recipe.debian === undefined ? { owner: RECIPE_OWNER, mtimeSeconds: RECIPE_MTIME_SECONDS } : {};
  const metadata = recipeMetadata(recipe);
  await withStagedRecipe(recipe, { env, signal, onStep }, (source) =>
    createAndReport(context, flist, { source, metadata, ...attributes }, flags),
  );
}
