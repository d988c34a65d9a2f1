/** The rows of the fault matrix that concern one host, and the invariants that are checked. docs/faults.md tells both. */
export const matrix = {
  1: 'killed at a failpoint, or anywhere',
  3: 'power cut',
  5: 'no room on the disk',
  6: 'a system call that fails',
  7: 'a file of the data directory is damaged',
  8: 'an old copy of the data directory is put back',
  14: 'the token with the keys is pulled out',
  15: 'clock set an hour forwards',
  16: 'clock set an hour back',
  17: 'asleep, or stopped, beyond every life',
  22: 'nesting bombs',
  23: 'no descriptors left',
  24: 'no memory left',
  26: 'a step held up, or stopped half way',
  30: 'socket taken away; a second issuer',
  33: 'withdrawn while streams are open',
  37: 'a row of the registry is edited',
  39: 'the ledger is edited',
  45: 'asked to end under load',
  46: 'debugger, core dump, heap snapshot',
  47: 'started again and again with bad settings',
} as const;

export type Row = keyof typeof matrix;

export const invariants = {
  I1: 'no identity to a process that did not earn it',
  I2: 'what was acknowledged is kept',
  I3: 'what is for one is given to one',
  I4: 'nothing outlives its signer, its entry or its end',
  I5: 'signed by an authority that was durably published',
  I6: 'one authority signs at a time; no name twice',
  I7: 'the bundle only grows in sequence; no authority leaves before its last credential',
  I8: 'no key and no token where they could be read',
  I9: 'one record for each credential, in a chain that holds',
  I10: 'streams are served again at once',
  I11: 'starts in three seconds; descriptors, threads and memory come back',
  I12: 'doubt is a refusal, with the right status',
  I13: 'health says so, and says when it is over',
  I14: 'goes on without a human',
} as const;

export type Invariant = keyof typeof invariants;
