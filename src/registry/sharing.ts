import type { EntryFields } from '../spiffe/entry.ts';

/**
 * Keeps equal strings and equal lists once: thousands of entries name the same owner, uid and audiences, and the whole
 * registry is in memory. For one load or one batch; entries keep what they share after this is gone.
 */
export class Sharing {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined) this.#texts.set(text, text);
    return known ?? text;
  }

  /** A JSON array of strings, the same object for the same text. */
  list(json: string): readonly string[] {
    const known = this.#lists.get(json) ?? (JSON.parse(json) as string[]).map((text) => this.text(text));
    this.#lists.set(json, known);
    return known;
  }

  fields(fields: EntryFields): EntryFields {
    const list = <T extends string>(values: readonly T[]) =>
      this.list(values.length === 0 ? '[]' : JSON.stringify(values)) as readonly T[];
    return {
      ...fields,
      selectors: fields.selectors.map((selector) => this.text(selector) as typeof selector),
      owner: this.text(fields.owner),
      description: this.text(fields.description),
      dnsNames: list(fields.dnsNames),
      subject: this.text(fields.subject),
      hint: this.text(fields.hint),
      federatesWith: list(fields.federatesWith),
      audiences: list(fields.audiences),
    };
  }
}
