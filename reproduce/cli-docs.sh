#!/usr/bin/env bash
# Writes docs/cli.md anew from the program's own help; a test compares the two.
set -euo pipefail
cd "$(dirname "$0")/.."
npm run -s build
node --input-type=module -e "
import { writeFileSync } from 'node:fs';
import { helpOf } from './dist/cli/command.js';
import { commands } from './dist/cli/commands.js';
const fence = String.fromCharCode(96).repeat(3);
const parts = commands.map((c) => '## ' + c.name + '\n\n' + fence + '\n' + helpOf(c) + '\n' + fence + '\n');
writeFileSync('docs/cli.md', '# Commands\n\nWritten by the program\'s own help.\n\n' + parts.join('\n'));
"
