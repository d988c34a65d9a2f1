/**
 * Base64 that has one spelling for each value. `Buffer.from` skips what it does not know, takes both alphabets and
 * ignores the bits left over in the last character, so a text counts only if it comes back the same.
 */
export function decodeBase64Url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** The standard alphabet, padded (RFC 7517 section 4.7: certificates in `x5c` are not base64url). */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
