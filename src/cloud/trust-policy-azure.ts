import { ownWarnings, type PolicyQuestion, shell, type TrustPolicy } from './trust-policy.ts';

/** An issuer, a subject and an audience of a federated credential. */
const longestField = 600;

/** A federated credential of an application; with `identity`, of a user-assigned managed identity. */
export function azurePolicy(
  question: PolicyQuestion & { readonly identity?: string | undefined; readonly application: string },
): TrustPolicy {
  const { spiffeId, issuer, audience, identity, application } = question;
  const name = nameOf(question.name);
  const document = { name, issuer, subject: spiffeId, audiences: [audience] };
  const long = Object.entries({ issuer, subject: spiffeId, audience })
    .filter(([, value]) => value.length > longestField)
    .map(([field]) => `the ${field} is longer than the ${longestField} characters that a federated credential takes`);
  const json = JSON.stringify(document, undefined, 2);
  const text =
    identity === undefined
      ? `az ad app federated-credential create --id ${shell(application)} --parameters '${json}'\n`
      : [
          `az identity federated-credential create --resource-group RESOURCE_GROUP --identity-name ${shell(identity)} \\`,
          `  --name ${name} --issuer ${shell(issuer)} \\`,
          `  --subject ${shell(spiffeId)} --audiences ${shell(audience)}\n`,
        ].join('\n');
  return { text, warnings: [...ownWarnings(question), ...long] };
}

/** 3 to 120 of letters, digits, dashes and underscores. */
const nameOf = (name: string): string =>
  name
    .replaceAll(/[^\w-]/g, '-')
    .slice(0, 120)
    .padEnd(3, '-');
