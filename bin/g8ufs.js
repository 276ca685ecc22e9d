#!/usr/bin/env node
// The program, as `npm run build` leaves it in dist/.
import module from 'node:module';

// Where Node can keep compiled code (22 and later), a command starts in half the time.
module.enableCompileCache?.();
const argv = process.argv.slice(2);
const mounts = argv[0] === 'mount' || (argv[0] === 'core' && argv[1] === 'run');
const early = mounts ? await import('../dist/cli/early-daemon.js') : undefined;
early?.startDaemonEarly(argv, process.env);
const { main } = await import('../dist/cli/main.js');

process.exitCode = await main(argv);
early?.dropExpectedDaemon();
