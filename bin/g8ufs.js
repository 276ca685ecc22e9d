#!/usr/bin/env node
// The program, as `npm run build` leaves it in dist/.
import module from 'node:module';

// Where Node can keep compiled code (22 and later), a command starts in half the time.
module.enableCompileCache?.();
const { main } = await import('../dist/cli/main.js');

process.exitCode = await main(process.argv.slice(2));
