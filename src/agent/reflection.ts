/**
 * gRPC server reflection (v1 and v1alpha, the same messages under two names), from the descriptors that the build
 * wrote beside the generated code. It tells the shape of the API and nothing about anybody's identity.
 */
import { readFileSync } from 'node:fs';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import type { ServerReflectionRequest, ServerReflectionResponse } from '../gen/grpc/reflection/v1/reflection.ts';
import type { StreamHandler } from '../runtime/grpc-server.ts';

interface DescribedFile {
  readonly bytes: Buffer;
  readonly dependencies: readonly string[];
}

const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

export function reflection<Peer>(services: readonly string[]): {
  serverReflectionInfo: StreamHandler<ServerReflectionRequest, ServerReflectionResponse, Peer>;
} {
  const { files, symbols } = readDescriptors();
  const answer = (request: ServerReflectionRequest): ServerReflectionResponse['messageResponse'] => {
    const asked = request.messageRequest;
    switch (asked?.$case) {
      case 'listServices':
        return { $case: 'listServicesResponse', value: { service: services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return describe(asked.value);
      case 'fileContainingSymbol':
        return describe(symbols.get(asked.value) ?? '');
      default:
        return failure(UNIMPLEMENTED, 'only services, files and symbols can be asked for');
    }
  };

  function describe(name: string): ServerReflectionResponse['messageResponse'] {
    if (!files.has(name)) return failure(NOT_FOUND, 'no such file or symbol');
    const needed = withDependencies(name, files);
    return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: needed.map(({ bytes }) => bytes) } };
  }

  return {
    serverReflectionInfo: async function* (requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      }
    },
  };
}

function readDescriptors(): { files: Map<string, DescribedFile>; symbols: Map<string, string> } {
  const set = fromBinary(FileDescriptorSetSchema, readFileSync(new URL('../gen/descriptors.binpb', import.meta.url)));
  const files = new Map<string, DescribedFile>();
  const symbols = new Map<string, string>();
  for (const file of set.file) {
    files.set(file.name, {
      bytes: Buffer.from(toBinary(FileDescriptorProtoSchema, file)),
      dependencies: file.dependency,
    });
    for (const symbol of symbolsOf(file)) symbols.set(symbol, file.name);
  }
  return { files, symbols };
}

/** Full names of a file's services, methods, messages (nested ones too) and enums. */
function symbolsOf(file: FileDescriptorProto): string[] {
  const prefix = file.package === '' ? '' : `${file.package}.`;
  const services = file.service.flatMap((service) => [
    `${prefix}${service.name}`,
    ...service.method.map((method) => `${prefix}${service.name}.${method.name}`),
  ]);
  const messages = (within: string, types: readonly DescriptorProto[]): string[] =>
    types.flatMap((type) => [`${within}${type.name}`, ...messages(`${within}${type.name}.`, type.nestedType)]);
  return [...services, ...messages(prefix, file.messageType), ...file.enumType.map(({ name }) => `${prefix}${name}`)];
}

function withDependencies(name: string, files: ReadonlyMap<string, DescribedFile>): DescribedFile[] {
  const seen = new Set<string>([name]);
  for (const each of seen) for (const dependency of files.get(each)?.dependencies ?? []) seen.add(dependency);
  return [...seen].flatMap((each) => files.get(each) ?? []);
}

const failure = (errorCode: number, errorMessage: string): ServerReflectionResponse['messageResponse'] => ({
  $case: 'errorResponse',
  value: { errorCode, errorMessage },
});
