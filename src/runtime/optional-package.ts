/** Packages that only some installations need: loaded when a setting asks for them, and missed with words. */
import { IdentityError } from '../errors.ts';

/** @param what of the settings needs it */
export async function optionalPackage<T>(name: string, what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw cause;
    const message = `${what} needs the package ${name}, which is not installed beside mayfly: npm install ${name}`;
    throw new IdentityError('failed-precondition', message, { cause, reason: 'package-missing' });
  }
}
