/** What PKCS#11 functions return, by the names that their documentation uses. */
export const CKR = {
  HOST_MEMORY: 0x02,
  GENERAL_ERROR: 0x05,
  FUNCTION_FAILED: 0x06,
  ATTRIBUTE_TYPE_INVALID: 0x12,
  DEVICE_ERROR: 0x30,
  DEVICE_MEMORY: 0x31,
  DEVICE_REMOVED: 0x32,
  KEY_HANDLE_INVALID: 0x60,
  MECHANISM_INVALID: 0x70,
  OBJECT_HANDLE_INVALID: 0x82,
  PIN_INCORRECT: 0xa0,
  PIN_EXPIRED: 0xa3,
  PIN_LOCKED: 0xa4,
  SESSION_CLOSED: 0xb0,
  SESSION_COUNT: 0xb1,
  SESSION_HANDLE_INVALID: 0xb3,
  TOKEN_NOT_PRESENT: 0xe0,
  TOKEN_NOT_RECOGNIZED: 0xe1,
  TOKEN_WRITE_PROTECTED: 0xe2,
  USER_ALREADY_LOGGED_IN: 0x100,
  USER_NOT_LOGGED_IN: 0x101,
  USER_PIN_NOT_INITIALIZED: 0x102,
  CRYPTOKI_NOT_INITIALIZED: 0x190,
  CRYPTOKI_ALREADY_INITIALIZED: 0x191,
} as const;

export function describeReturn(returned: number): string {
  const name = Object.entries(CKR).find(([, value]) => value === returned)?.[0];
  return name === undefined ? `return value 0x${returned.toString(16)}` : `CKR_${name}`;
}

/** The module works and says no: another connection would hear the same. */
const refusals: ReadonlySet<number> = new Set([
  CKR.PIN_INCORRECT,
  CKR.PIN_EXPIRED,
  CKR.PIN_LOCKED,
  CKR.USER_PIN_NOT_INITIALIZED,
  CKR.MECHANISM_INVALID,
  CKR.TOKEN_WRITE_PROTECTED,
  CKR.DEVICE_MEMORY,
]);

export const isRefusal = (returned: number): boolean => refusals.has(returned);
