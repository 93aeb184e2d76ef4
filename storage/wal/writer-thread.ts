/*
 * The program of the thread that writes the log. It has no pool of threads in common with anybody, so that
 * nothing of what else the process does stands before a write.
 */
import * as fs from 'node:fs';
import { workerData } from 'node:worker_threads';
import { ThreadService } from './thread-service.js';

new ThreadService(fs, workerData).run();
