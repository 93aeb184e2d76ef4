#!/usr/bin/env node
import { kvnode } from './program.js';

process.exitCode = await kvnode(process.argv.slice(2));
