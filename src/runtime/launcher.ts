import { fileURLToPath } from 'node:url';

/** The program itself, for what others are told to run: beside the directory that this file is two levels below. */
export const launcherPath = (): string => fileURLToPath(new URL('../../mayfly', import.meta.url));
