/**
 * Keys of one chip maker's library can be factored (CVE-2017-15361, "ROCA"): its primes are k·M + 65537^a mod M, with M
 * the product of the first primes. So modulo each small prime such a modulus is a power of 65537, which any other is
 * for all of these at once only one time in 240 million.
 */
const primes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

const product = primes.reduce((all, prime) => all * BigInt(prime), 1n);
const powers = primes.map((prime) => [prime, powersOf65537(prime)] as const);

/** @param modulus big-endian, unsigned */
export function isRoca(modulus: Buffer): boolean {
  const rest = BigInt(`0x0${modulus.toString('hex')}`) % product;
  return powers.every(([prime, found]) => found.has(Number(rest % BigInt(prime))));
}

function powersOf65537(prime: number): ReadonlySet<number> {
  const found = new Set<number>();
  for (let power = 1; !found.has(power); power = (power * 65_537) % prime) found.add(power);
  return found;
}
