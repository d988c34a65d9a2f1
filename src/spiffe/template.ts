/**
 * Text with places for facts, as in `{owner}`. The facts are attested or registered; nothing that a caller says is among
 * them, so what is written from a template is as true as its facts.
 */
export const registeredFacts = ['spiffe_id', 'trust_domain', 'path', 'name', 'entry', 'owner'] as const;
/** What is known besides when something is issued to a process. */
export const attestedFacts = ['uid', 'gid', 'instance', 'jti'] as const;

export type RegisteredFact = (typeof registeredFacts)[number];
export type Fact = RegisteredFact | (typeof attestedFacts)[number];
export type Facts = Readonly<Partial<Record<Fact, string>>>;

const place = /\{([^{}]*)\}/g;

/** What is wrong with it, in words; only these facts may be named. */
export function faultOfTemplate(text: string, facts: readonly string[]): string | undefined {
  for (const [, name = ''] of text.matchAll(place)) {
    if (!facts.includes(name)) return `names {${name.slice(0, 32)}}; the facts are ${facts.join(', ')}`;
  }
  return /[{}]/.test(text.replace(place, '')) ? 'has a { or } that is not around a fact' : undefined;
}

export const filledIn = (text: string, facts: Facts): string =>
  text.replace(place, (_, name: string) => facts[name as Fact] ?? '');
