#!/usr/bin/env node
import { kvctl } from './program.js';

process.exitCode = await kvctl(process.argv.slice(2));
