"""The py-spiffe judge: what a Python workload does with the Workload API, each story as one subcommand.

The endpoint comes from SPIFFE_ENDPOINT_SOCKET. Each line on standard output is one JSON object.
"""

import json
import os
import sys
import threading

import grpc
from cryptography.hazmat.primitives import serialization
from spiffe import JwtBundle, JwtSource, SpiffeId, TrustDomain, WorkloadApiClient, X509Bundle, X509Source
from spiffe._proto import workload_pb2, workload_pb2_grpc
from spiffe.svid.jwt_svid import JwtSvid

PATIENCE = 20


def say(**fields):
    print(json.dumps(fields), flush=True)


def x509_source():
    with X509Source(timeout_in_seconds=PATIENCE) as source:
        context = source.get_x509_context()
        svid = context.default_svid
        bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        roots = bundle.x509_authorities
        if not any(signs(root, svid.leaf) for root in roots):
            raise SystemExit('no root of the bundle signs the leaf')
        say(id=str(svid.spiffe_id), serial=f'{svid.leaf.serial_number:X}', roots=len(roots), chain=len(svid.cert_chain))


def signs(root, leaf):
    try:
        leaf.verify_directly_issued_by(root)
        return True
    except Exception:
        return False


def x509_updates(wanted):
    """Waits until the source was updated `wanted` times: rotation reaches a running program without its doing."""
    reached = threading.Event()
    serials = []
    with X509Source(timeout_in_seconds=PATIENCE) as source:

        def note():
            serials.append(f'{source.get_x509_context().default_svid.leaf.serial_number:X}')
            if len(serials) >= int(wanted):
                reached.set()

        source.subscribe_for_updates(note)
        first = f'{source.get_x509_context().default_svid.leaf.serial_number:X}'
        if not reached.wait(60):
            raise SystemExit(f'only {len(serials)} updates within a minute')
    say(serials=[first, *serials])


def x509_bundles():
    with WorkloadApiClient() as client:
        for bundle in client.fetch_x509_bundles(timeout=PATIENCE).bundles:
            say(trustDomain=bundle.trust_domain.name, roots=len(bundle.x509_authorities))



def jwt_source(audience, spiffe_id=None):
    subject = SpiffeId(spiffe_id) if spiffe_id else None
    with JwtSource(timeout_in_seconds=PATIENCE) as source:
        svid = source.fetch_svid({audience}, subject, timeout=PATIENCE)
        bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        validated = JwtSvid.parse_and_validate(svid.token, bundle, {audience})
        say(id=str(validated.spiffe_id), audience=sorted(validated.audience), expiry=validated.expiry, keys=len(bundle.jwt_authorities))


def jwt_validate(audience):
    """Fetches, then lets the server validate: right for the audience, wrong for another."""
    with WorkloadApiClient() as client:
        token = client.fetch_jwt_svid({audience}, timeout=PATIENCE).token
        svid = client.validate_jwt_svid(token, audience, timeout=PATIENCE)
        try:
            client.validate_jwt_svid(token, 'someone-else', timeout=PATIENCE)
        except Exception as error:
            say(id=str(svid.spiffe_id), refused=str(error))
            return
        raise SystemExit('validated for an audience that was never asked for')


def denied():
    """A caller that is owed nothing."""
    try:
        with WorkloadApiClient() as client:
            client.fetch_x509_svid(timeout=PATIENCE)
    except Exception as error:
        say(refused=str(error))
        return
    raise SystemExit('got an SVID')


def metadata():
    """grpcio without py-spiffe's interceptor: which status each spelling of the security header gets."""
    target = WorkloadApiClient._grpc_target(os.environ['SPIFFE_ENDPOINT_SOCKET'])
    header = 'workload.spiffe.io'
    spellings = {
        'none': [],
        'true': [(header, 'true')],
        'True': [(header, 'True')],
        'TRUE': [(header, 'TRUE')],
        '1': [(header, '1')],
        'empty': [(header, '')],
        'spaces': [(header, ' true x')],
        'twice': [(header, 'true'), (header, 'true')],
        'joined': [(header, 'true,true')],
        'binary': [(header + '-bin', b'true')],
    }
    with grpc.insecure_channel(target) as channel:
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        for name, values in spellings.items():
            stream = stub.FetchX509SVID(workload_pb2.X509SVIDRequest(), metadata=values, timeout=PATIENCE)
            try:
                next(stream)
                say(header=name, code='OK')
                stream.cancel()
            except grpc.RpcError as error:
                say(header=name, code=error.code().name, text=error.details())


def bundle_files(trust_domain, pem, jwks):
    """What was published for others, by py-spiffe's parsers. It has none for the SPIFFE format."""
    name = TrustDomain(trust_domain)
    roots = X509Bundle.load(name, pem, serialization.Encoding.PEM).x509_authorities
    with open(jwks, 'rb') as file:
        keys = JwtBundle.parse(name, file.read()).jwt_authorities
    say(trustDomain=name.name, roots=len(roots), keys=len(keys))


STORIES = {
    'bundle-files': bundle_files,
    'x509-source': x509_source,
    'x509-updates': x509_updates,
    'x509-bundles': x509_bundles,
    'jwt-source': jwt_source,
    'jwt-validate': jwt_validate,
    'denied': denied,
    'metadata': metadata,
}

if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1] not in STORIES:
        raise SystemExit(f'usage: probe.py {"|".join(STORIES)}')
    STORIES[sys.argv[1]](*sys.argv[2:])
