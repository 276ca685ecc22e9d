/** The program as tests start it: what bin/g8ufs.js does, from the compiled sources. */
import { main } from '../../src/cli/main.ts';

process.exitCode = await main(process.argv.slice(2));
