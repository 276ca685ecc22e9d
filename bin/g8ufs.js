#!/usr/bin/env node
// The program, as `npm run build` leaves it in dist/.
import { main } from '../dist/cli/main.js';

process.exitCode = await main(process.argv.slice(2));
