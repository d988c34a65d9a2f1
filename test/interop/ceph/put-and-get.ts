/**
 * A program as anybody writes it with AWS's JavaScript SDK: nothing of credentials in it. Its environment says where they are.
 *
 *   node put-and-get.ts BUCKET KEY
 */
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const [Bucket = '', Key = ''] = process.argv.slice(2);
const client = new S3Client({ forcePathStyle: true });
const text = `written by process ${process.pid}`;
await client.send(new CreateBucketCommand({ Bucket }));
await client.send(new PutObjectCommand({ Bucket, Key, Body: text }));
const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
const read = await Body?.transformToString();
if (read !== text) throw new Error(`read ${JSON.stringify(read)}, wrote ${JSON.stringify(text)}`);
const { accessKeyId, expiration } = await client.config.credentials();
process.stdout.write(JSON.stringify({ read, accessKeyId, expiration }));
