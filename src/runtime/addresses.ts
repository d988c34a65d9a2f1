/** Which network addresses an outbound request may go to (R-NET-3): names that others choose must not lead inside. */
import { BlockList, isIPv6 } from 'node:net';

/** What is not of the public internet: the special-purpose registries of RFC 6890 for IPv4. */
const special4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const;
/** Global unicast is 2000::/3; of that, what leads into IPv4 or is for documents. */
const special6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;
/** Nobody's endpoint, even inside: link-local addresses, where clouds hand out credentials, and those of many or none. */
const never4 = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
] as const;
/** `::` and `::1` apart, what is neither global nor unique local; and where one cloud has put its link-local one. */
const never6 = [
  ['fe80::', 9],
  ['ff00::', 8],
  ['fd00:ec2::', 32],
] as const;

type Subnets = readonly (readonly [string, number])[];

function blockList(four: Subnets, six: Subnets): BlockList {
  const list = new BlockList();
  for (const [net, bits] of four) list.addSubnet(net, bits, 'ipv4');
  for (const [net, bits] of six) list.addSubnet(net, bits, 'ipv6');
  return list;
}

const special = blockList(special4, special6);
const never = blockList(never4, never6);
const inside6 = blockList([], [['fc00::', 7]]);
inside6.addAddress('::1', 'ipv6');
const global6 = blockList([], [['2000::', 3]]);

/** @param address an IP address @param inside may it be a private or a loopback one? */
export function isPermitted(address: string, inside: boolean): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  if (never.check(address, family)) return false;
  const outside = !special.check(address, family) && (family === 'ipv4' || global6.check(address, family));
  return outside || (inside && (family === 'ipv4' || inside6.check(address, family)));
}
