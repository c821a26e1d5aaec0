// Loaded before a daemon: its clock is as many milliseconds ahead as the file says.
import { readFileSync } from 'node:fs';

const now = Date.now;
Date.now = () => now() + Number(readFileSync(process.env.GANTRY_TEST_CLOCK, 'utf8'));
