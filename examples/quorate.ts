#!/usr/bin/env node
import { packageVersion } from './cli/version.js';

const HELP = `quorate: a replicated key-value store inside Node.js.

  quorate demo       three nodes on this machine; kills the leader, loses nothing
  quorate node …     one node; the same as kvnode
  quorate ctl …      asks a running cluster; the same as kvctl
  quorate --version
`;

process.exitCode = await quorate(process.argv.slice(2));

/** Each program is loaded when it is asked for. */
async function quorate([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'demo':
      if (args.length > 0) return refuse(`demo takes no words and no flags, not ${args.join(' ')}`);
      return (await import('./demo/demo.js')).runDemo();
    case 'node':
      return (await import('./kvnode/program.js')).kvnode(args);
    case 'ctl':
      return (await import('./kvctl/program.js')).kvctl(args);
    case '--version':
      process.stdout.write(`${packageVersion()}\n`);
      return 0;
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(HELP);
      return 0;
    default: {
      const wrong = command === undefined ? 'a command is missing' : `unknown command ${command}`;
      return refuse(`${wrong}; demo, node or ctl`);
    }
  }
}

function refuse(what: string): number {
  process.stderr.write(`quorate: ${what}\n`);
  return 2;
}
