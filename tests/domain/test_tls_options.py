"""How TLS is to be spoken: what is taken and what is refused, with the remedy."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.probes.certificates import Authority
from tocsin.domain.targets.secrets import PLACEHOLDER
from tocsin.domain.targets.tls_options import ClientCertificate, TlsOptions, TlsVersion


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_1_2_is_the_oldest_that_is_accepted_unless_told() -> None:
    assert TlsOptions().minimum_version is TlsVersion.TLS_1_2


def test_authorities_are_certificates_in_pem(authority: Authority) -> None:
    pem = Path(authority.ca_file).read_text()
    assert TlsOptions(ca=pem).ca == pem


@pytest.mark.parametrize(
    "ca", ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(ca: str) -> None:
    with pytest.raises(ValidationError):
        TlsOptions(ca=ca)


def test_a_certificate_goes_with_its_key(authority: Authority) -> None:
    certificate, key = authority.client_certificate()
    assert ClientCertificate(certificate=certificate, key=key).key == key


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    certificate, key = authority.client_certificate()[0], authority.client_certificate()[1]
    with pytest.raises(ValidationError, match="must hold the key of its first certificate"):
        ClientCertificate(certificate=certificate, key=key)


def test_a_key_that_is_none_is_refused_and_not_repeated(authority: Authority) -> None:
    with pytest.raises(ValidationError, match="must be a private key in PEM") as refused:
        ClientCertificate(certificate=authority.client_certificate()[0], key="hunter2")
    assert "hunter2" not in str(refused.value)


def test_a_key_may_be_a_secret_that_comes_later(authority: Authority) -> None:
    ClientCertificate(certificate=authority.client_certificate()[0], key=PLACEHOLDER)
