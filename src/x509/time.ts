/** Validity times (RFC 5280 section 4.1.2.5): UTCTime to the end of 2049, GeneralizedTime after, whole seconds, Z. */
import { malformed, tag } from './der.ts';

const firstYear = 1950;
const firstGeneralizedYear = 2050;
const lastYear = 9999;

/** The whole element. A part of a second is dropped, never rounded up: nothing may end after the moment given (R-ISS-8). */
export function encodeTime(at: number): Buffer {
  const date = new Date(at);
  const year = date.getUTCFullYear();
  if (!(year >= firstYear && year <= lastYear)) throw new TypeError(`no certificate time for ${at}`);
  const generalized = year >= firstGeneralizedYear;
  const bytes = Buffer.allocUnsafe(generalized ? 17 : 15);
  bytes[0] = generalized ? tag.generalizedTime : tag.utcTime;
  bytes[1] = bytes.length - 2;
  let end = 2;
  if (generalized) end = twoDigits(bytes, end, Math.floor(year / 100));
  end = twoDigits(bytes, end, year % 100);
  end = twoDigits(bytes, end, date.getUTCMonth() + 1);
  end = twoDigits(bytes, end, date.getUTCDate());
  end = twoDigits(bytes, end, date.getUTCHours());
  end = twoDigits(bytes, end, date.getUTCMinutes());
  end = twoDigits(bytes, end, date.getUTCSeconds());
  bytes[end] = 0x5a;
  return bytes;
}

/** Milliseconds, from a tag and its content. One moment has one spelling; any other is refused. */
export function decodeTime(type: number | undefined, content: Buffer): number {
  const text = content.toString('latin1');
  const parts = (type === tag.utcTime ? utcTime : generalizedTime).exec(text)?.slice(1).map(Number);
  if (parts === undefined) throw malformed('a time is not written as RFC 5280 wants it');
  const [written = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const year = type === tag.utcTime ? written + (written < 50 ? 2000 : 1900) : written;
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const spelledBack = Number.isNaN(at) || year < firstYear ? undefined : encodeTime(at).subarray(2);
  if (spelledBack === undefined || !spelledBack.equals(content))
    throw malformed('a time does not exist or has the wrong type');
  return at;
}

const utcTime = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

function twoDigits(into: Buffer, at: number, value: number): number {
  into[at] = 0x30 + Math.floor(value / 10);
  into[at + 1] = 0x30 + (value % 10);
  return at + 2;
}
