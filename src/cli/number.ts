import { IdentityError } from '../errors.ts';

/** Linux gives no process a number beyond this (PID_MAX_LIMIT). */
const largestPid = 2 ** 22;

export const parsePid = (text: string): number => whole(text, 1, largestPid, 'a process id');
/** How many; 0 means all. */
export const parseLimit = (text: string): number => whole(text, 0, 2 ** 32 - 1, 'a number of things');
/** 0: any. */
export const parsePort = (text: string): number => whole(text, 0, 65_535, 'a port');
export const parseSeq = (text: string): number => whole(text, 1, Number.MAX_SAFE_INTEGER, 'the number of a record');

function whole(text: string, least: number, most: number, what: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new IdentityError('invalid-argument', `'${text}' is not ${what}: ${least} to ${most}`);
}
