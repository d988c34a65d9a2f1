/**
 * Makes this process, which root started and which has loaded all it needs, one of another user. A checkout under a
 * home directory cannot be read by that user; to whoever it connects afterwards, it never was anybody else.
 */
export function become(uid: number, gid = uid): void {
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
