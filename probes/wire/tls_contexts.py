"""The TLS of connections: one shared context for each way of speaking it."""

import ssl
import tempfile
from collections import OrderedDict
from typing import Final

import certifi

from probes.wire.stapling_contexts import StaplingContexts, without_server_name
from tocsin.domain.targets.tls_options import ClientCertificate, TlsOptions, TlsVersion

_MOST_KEPT: Final = 256
_VERSIONS: Final = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}
_USUAL: Final = TlsOptions()

_Key = tuple[TlsOptions | None, tuple[str, ...]]


class TlsContexts:
    """Makes contexts and keeps them, as making one costs milliseconds.

    They verify chain and host name against certifi's authorities and those of another file, unless options name others.
    """

    def __init__(self, extra_ca_file: str | None = None) -> None:
        self._extra_ca_file = extra_ca_file
        self.stapling = StaplingContexts(extra_ca_file)
        self._kept: OrderedDict[_Key, ssl.SSLContext] = OrderedDict()

    def of(self, options: TlsOptions | None = None, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """The context for these options, which offers these protocols.

        One with a client's certificate is made each time: its key may be a secret, and no secret outlives its probe.
        """
        options = None if options is None else without_server_name(options)
        context = self._kept.get((options, alpn))
        if context is None:
            context = self._make(options or _USUAL, alpn)
            if options is None or options.client_certificate is None:
                self._keep((options, alpn), context)
        return context

    def _keep(self, key: _Key, context: ssl.SSLContext) -> None:
        self._kept[key] = context
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)

    def _make(self, options: TlsOptions, alpn: tuple[str, ...]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Some systems' Python, such as Debian's, leaves it to OpenSSL's configuration.
        context.minimum_version = _VERSIONS[options.minimum_version]
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if options.skip_verification:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            self._trust(context, options.ca)
        if options.client_certificate is not None:
            _show(context, options.client_certificate)
        return context

    def _trust(self, context: ssl.SSLContext, ca: str | None) -> None:
        """Files alone, as a context that also looks into the system's folders costs 40% more per handshake."""
        if ca is not None:
            return context.load_verify_locations(cadata=ca)
        context.load_verify_locations(cafile=certifi.where())
        if self._extra_ca_file is not None:
            context.load_verify_locations(cafile=self._extra_ca_file)
        return None


def _show(context: ssl.SSLContext, shown: ClientCertificate) -> None:
    """The ssl module reads keys from files alone; this one only its owner can read, and it is gone at once."""
    with tempfile.NamedTemporaryFile("w", prefix="tocsin-", suffix=".pem") as file:
        file.write(f"{shown.key}\n{shown.certificate}\n")
        file.flush()
        context.load_cert_chain(file.name)
