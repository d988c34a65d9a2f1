/** The container credentials endpoint that every AWS SDK knows. */
import { type AwsSession, containerDocument } from './aws.ts';
import { type LocalEndpoint, startLocalEndpoint } from './local-endpoint.ts';

export interface ContainerEndpointParts {
  readonly word: string;
  readonly session: () => Promise<AwsSession>;
  /** 0: one that is free. */
  readonly port: number;
}

/** Its URL is for AWS_CONTAINER_CREDENTIALS_FULL_URI. */
export const startContainerEndpoint = ({ word, session, port }: ContainerEndpointParts): Promise<LocalEndpoint> =>
  startLocalEndpoint({
    ...{ word, port, path: '/credentials', type: 'application/json' },
    body: async () => JSON.stringify(containerDocument(await session())),
  });
