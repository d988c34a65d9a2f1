/**
 * What is wrong with text that one person typed and another will read in a list or a log: a control character could
 * forge a line there, and half of a surrogate pair has no UTF-8.
 */
export function faultOfText(text: string, longestBytes: number): string | undefined {
  if (Buffer.byteLength(text) > longestBytes) return `is longer than ${longestBytes} bytes`;
  if (/\p{Cc}|\p{Zl}|\p{Zp}/u.test(text)) return 'holds a control character or a line break';
  if (!text.isWellFormed()) return 'is not valid Unicode';
  return undefined;
}

/** RFC 1123 section 2.1, in lower case; no wildcard, and nothing that reads as an IPv4 address. */
export function faultOfDnsName(name: string): string | undefined {
  if (name.length > 253) return 'is longer than 253 characters';
  if (name.includes('*')) return 'holds a wildcard: a workload is one name, not a family of them';
  if (name !== name.toLowerCase()) return 'is not in lower case';
  const labels = name.split('.');
  if (!labels.every((label) => dnsLabel.test(label))) {
    return 'needs labels of 1 to 63 letters, digits and dashes, with no dash at either end';
  }
  if (/^\d+$/.test(labels.at(-1) ?? '')) return 'looks like an address: the last label needs a letter';
  return undefined;
}

const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
