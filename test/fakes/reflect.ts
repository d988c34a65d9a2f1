/** What tsyringe, inside @peculiar/x509, looks for before it starts. The library registers by hand and reads none of it. */
if (!('getMetadata' in Reflect)) {
  const none = (): undefined => undefined;
  Object.assign(Reflect, { getMetadata: none, getOwnMetadata: none, defineMetadata: none });
}
