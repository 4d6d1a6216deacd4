"""Two clusters on one database: each needs a name of its own."""

from uuid import uuid4

from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.convergence.operators import Cluster
from tests.kubernetes.convergence.targets import Target


async def test_a_cluster_whose_name_another_one_has_changes_nothing_and_says_so(
    cluster: Servers, watched: Cluster, target: Target
) -> None:
    async with watched.platform.connection() as owner:
        await owner.execute("INSERT INTO kubernetes_clusters VALUES ($1, $2)", watched.namespace, uuid4())
    watched.operator(KUBECONFIG=str(cluster.kubeconfig))
    watched.apply("web", http={"url": target.url})
    found = watched.wait_reason("web", "Ready", "ClusterNameTaken")
    assert f"tocsin forget-cluster {watched.namespace}" in found["message"]
    assert await watched.platform.ask("SELECT count(*) FROM checks") == 0
