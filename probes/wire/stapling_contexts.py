"""pyOpenSSL's contexts, one for each way of speaking TLS; `tls_contexts` has the standard library's."""

from collections import OrderedDict
from typing import Final

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from tocsin.domain.targets.tls_options import ClientCertificate, TlsOptions, TlsVersion

_MOST_KEPT: Final = 64
_VERSIONS: Final = {TlsVersion.TLS_1_2: SSL.TLS1_2_VERSION, TlsVersion.TLS_1_3: SSL.TLS1_3_VERSION}


class Notes:
    """What the callbacks of a context tell of one handshake, whose application data it is."""

    def __init__(self) -> None:
        self.staple = b""
        self.problem: int | None = None


class StaplingContexts:
    """Makes contexts that ask for a staple, accept any certificate, and note what is wrong with it."""

    def __init__(self, extra_ca_file: str | None = None) -> None:
        self._extra_ca_file = extra_ca_file
        self._kept: OrderedDict[TlsOptions, SSL.Context] = OrderedDict()

    def of(self, options: TlsOptions) -> SSL.Context:
        """The context for these options; one with a client's key, which may be a secret, is made each time."""
        options = without_server_name(options)
        if options.client_certificate is not None:
            return self._make(options)
        if options not in self._kept:
            self._kept[options] = self._make(options)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return self._kept[options]

    def _make(self, options: TlsOptions) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(_VERSIONS[options.minimum_version])
        context.set_verify(SSL.VERIFY_PEER, _note_problem)
        context.set_ocsp_client_callback(_note_staple)
        self._trust(context, options.ca)
        if options.client_certificate is not None:
            _show(context, options.client_certificate)
        return context

    def _trust(self, context: SSL.Context, ca: str | None) -> None:
        if ca is not None:
            return _trust_alone(context, ca)
        for file in filter(None, (certifi.where(), self._extra_ca_file)):
            context.load_verify_locations(file)
        return None


def _trust_alone(context: SSL.Context, ca: str) -> None:
    store = context.get_cert_store()
    if store is None:
        raise RuntimeError("OpenSSL made a context without a store of authorities")
    for certificate in x509.load_pem_x509_certificates(ca.encode()):
        store.add_cert(crypto.X509.from_cryptography(certificate))


def without_server_name(options: TlsOptions) -> TlsOptions:
    """The options that a context depends on: as many targets as there are names may share one."""
    return options if options.server_name is None else options.model_copy(update={"server_name": None})


def _show(context: SSL.Context, shown: ClientCertificate) -> None:
    leaf, *others = x509.load_pem_x509_certificates(shown.certificate.encode())
    context.use_certificate(leaf)
    for certificate in others:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(load_pem_private_key(shown.key.encode(), password=None))  # type: ignore[arg-type]  # any that TLS knows


def _note_problem(session: SSL.Connection, _certificate: object, error: int, _depth: int, _ok: int) -> bool:
    """Called for each certificate; keeps the first error, and goes on."""
    notes: Notes = session.get_app_data()
    if error and notes.problem is None:
        notes.problem = error
    return True


def _note_staple(session: SSL.Connection, staple: bytes, _data: object) -> bool:
    """Called with an empty staple where there is none."""
    notes: Notes = session.get_app_data()
    notes.staple = staple
    return True
