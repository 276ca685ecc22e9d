#!/usr/bin/env node
'use strict';
// The program, as `npm run build` leaves it in dist/program.
const { join } = require('node:path');
const { loadBundle } = require('./load-bundle.js');

const argv = process.argv.slice(2);
// Somebody waits for these: they have a bundle without all the other commands.
const isQuick = argv[0] === 'mount' || (argv[0] === 'core' && argv[1] === 'run');
const name = isQuick ? argv.slice(0, argv[0] === 'core' ? 2 : 1).join('-') : 'g8ufs';
const program = loadBundle(join(__dirname, `../dist/program/${name}.cjs`));
void program.main(argv).then((code) => {
  process.exitCode = code;
  program.dropExpected();
  const isSaid = process.stdout.writableLength === 0 && process.stderr.writableLength === 0;
  // Nothing of it goes on when it has ended, and to tidy up takes Node longer than to exit.
  if (isQuick && isSaid && !program.isDaemonStarting()) process.exit();
});
