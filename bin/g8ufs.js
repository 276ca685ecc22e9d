#!/usr/bin/env node
'use strict';
// The program, as `npm run build` leaves it in dist/program.
const { join } = require('node:path');
const { loadBundle } = require('./load-bundle.js');

const program = loadBundle(join(__dirname, '../dist/program/g8ufs.cjs'));
const argv = process.argv.slice(2);
program.startDaemonEarly(argv, process.env);
void program.main(argv).then((code) => {
  process.exitCode = code;
  program.dropExpectedDaemon();
});
