/** R-SUP-1: versions below these carry known holes; the lockfile and the install rules are part of the product. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const json = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));

const atLeast = (version: string, floor: string): boolean => {
  const [have, want] = [version, floor].map((text) => text.split('.').map(Number));
  for (const [at, number] of (want ?? []).entries()) {
    const own = have?.[at] ?? 0;
    if (own !== number) return own > number;
  }
  return true;
};

const installed = (name: string): string | undefined => {
  try {
    return json(`node_modules/${name}/package.json`).version;
  } catch {
    return undefined;
  }
};

describe('R-SUP-1 the version floors', () => {
  it('runs on a Node with the HTTP/2 and TLS fixes of 2026', () => {
    expect(process.versions.node).toSatisfy((version: string) => atLeast(version, '24.18.1'));
  });

  it.each([
    ['@grpc/grpc-js', '1.14.4'],
    ['jose', '6.2.0'],
  ])('has %s at or above %s', (name, floor) => {
    expect(installed(name)).toSatisfy((version: string) => atLeast(version, floor));
  });

  it.each([
    ['asn1js', '3.0.7'],
    ['protobufjs', '7.6.1'],
    ['undici', '7.29.0'],
  ])('has %s, where something brings it, at or above %s', (name, floor) => {
    const version = installed(name);
    expect(version === undefined || atLeast(version, floor)).toBe(true);
  });

  it.each(['node-forge', 'fast-jwt', 'jsonwebtoken'])('does not bring %s', (name) => {
    expect(installed(name)).toBeUndefined();
  });
});

describe('R-SUP-1 the supply chain', () => {
  const lock = json('package-lock.json') as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>;
  };

  it('pins every package by its integrity, and names no address', () => {
    const packages = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && entry.link !== true);
    expect(packages.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([]);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  });

  it('runs no install script', () => {
    expect(readFileSync(join(root, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
  });

  it('has at most fifteen direct runtime dependencies, each argued for in docs/decisions', () => {
    const names = Object.keys(json('package.json').dependencies);
    const decisions = readdirSync(join(root, 'docs/decisions')).map((file) =>
      readFileSync(join(root, 'docs/decisions', file), 'utf8'),
    );
    expect(names.length).toBeLessThanOrEqual(15);
    expect(names.filter((name) => !decisions.some((text) => text.includes(`\`${name}\``)))).toEqual([]);
  });
});
