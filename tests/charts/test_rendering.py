"""Whatever values people choose, both versions of helm make the same of it, or say which value is wrong."""

from typing import Any

import pytest

from tests.charts.matrix import EVERYTHING, OWN_SERVERS, REFUSED
from tests.charts.rendering import HELMS, ChartError, Rendered, render, rendered, run
from tests.kubernetes.programs import installed


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("name", EVERYTHING)
def test_the_chart_is_rendered(name: str, helm: str) -> None:
    assert {"Deployment", "Service", "ServiceAccount"} <= {made["kind"] for made in rendered(name, helm).objects}


@pytest.mark.parametrize("name", EVERYTHING)
def test_both_versions_of_helm_render_the_same(name: str) -> None:
    of_4, of_3 = (sorted(map(str, without_random(rendered(name, helm)))) for helm in HELMS)
    assert of_4 == of_3


def without_random(release: Rendered) -> list[dict[str, Any]]:
    secrets = [{**secret, "data": sorted(secret["data"])} for secret in release.of("Secret")]
    return secrets + [made for made in release.objects if made["kind"] != "Secret"]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("name", EVERYTHING)
def test_helm_finds_nothing_to_complain_of(name: str, helm: str) -> None:
    assert "0 chart(s) failed" in run(installed(helm), "lint --strict", EVERYTHING[name])


@pytest.mark.parametrize("helm", HELMS)
def test_a_cluster_that_is_too_old_is_refused(helm: str) -> None:
    with pytest.raises(ChartError, match=r"chart requires kubeVersion: >=1[.]29"):
        run(installed(helm), "template bell", OWN_SERVERS, "--kube-version", "1.28.0")


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_value_is_refused_and_named(name: str, helm: str) -> None:
    values, message = REFUSED[name]
    with pytest.raises(ChartError) as refused:
        render(values, helm)
    assert message in str(refused.value)
