import { expect, it } from 'vitest';
import { optionalPackage } from './optional-package.ts';

it('a package that is missing is named, with how to install it', async () => {
  // Computed, so that nobody looks for it before the test runs.
  const name = ['@mayfly', 'nowhere'].join('/');
  await expect(optionalPackage(name, 'keys.kind gcp-kms', () => import(name))).rejects.toMatchObject({
    code: 'failed-precondition',
    message: `keys.kind gcp-kms needs the package ${name}, which is not installed beside mayfly: npm install ${name}`,
  });
});

it('another failure stays what it is', async () => {
  const broken = () => Promise.reject(new SyntaxError('broken'));
  await expect(optionalPackage('x', 'y', broken)).rejects.toThrow(SyntaxError);
});
