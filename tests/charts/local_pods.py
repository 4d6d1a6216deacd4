"""Pods as processes: each container's command, settings, probes and stop, as the API server has them."""

import os
import shutil
import signal
import subprocess
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx

from tests.charts.rendering import Object
from tests.charts.substitutions import Substitutions, entrypoint, free_ports_for, image_environment
from tests.kubernetes.cluster import Cluster

# A kubelet would wait for ever, and look less often.
READY_SECONDS = 30.0
LOOK_SECONDS = 0.5


class Namespace:
    """What pods of a namespace refer to."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def data(self, kind: str, name: str) -> dict[str, bytes]:
        """What a ConfigMap or a Secret holds."""
        found = self.get(f"/api/v1/namespaces/{self.name}/{kind}/{name}")["data"]
        return {key: b64decode(value) if kind == "secrets" else value.encode() for key, value in found.items()}

    def deployments(self) -> dict[str, Object]:
        """By the component of their pods."""
        items = self.get(f"/apis/apps/v1/namespaces/{self.name}/deployments")["items"]
        return {item["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: item for item in items}

    def services(self) -> frozenset[str]:
        return frozenset(
            item["metadata"]["name"] for item in self.get(f"/api/v1/namespaces/{self.name}/services")["items"]
        )

    def get(self, path: str) -> Any:
        return self.cluster.api.get(path).raise_for_status().json()


class LocalPod:
    """A pod of a Deployment, with one container beside those that run first."""

    def __init__(self, namespace: Namespace, deployment: Object, folder: Path) -> None:
        self.namespace = namespace
        self.spec = deployment["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]
        self.folder = folder
        self.log = folder / "log"
        self.substitutions = Substitutions(free_ports_for([self.container]), self._mount(), namespace.services())
        self.process: subprocess.Popen[bytes] | None = None

    def _mount(self) -> dict[str, Path]:
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        mounts = {}
        for mount in self.container["volumeMounts"]:
            folder = self.folder / mount["name"]
            folder.mkdir(parents=True)
            self._fill(folder, volumes[mount["name"]])
            mounts[mount["mountPath"]] = folder
        return mounts

    def _fill(self, folder: Path, volume: Object) -> None:
        if "configMap" in volume:
            for name, content in self.namespace.data("configmaps", volume["configMap"]["name"]).items():
                (folder / name).write_bytes(content)

    def start(self) -> None:
        """Run what runs first to its end, then the container. Raises CalledProcessError."""
        for container in self.spec["initContainers"]:
            with self._launched(container) as process:
                assert process.wait(60) == 0, self.log.read_text()
        self.process = self._launched(self.container)

    def _launched(self, container: Object) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [entrypoint(), *container["args"]],
                env=self._environment(container),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _environment(self, container: Object) -> dict[str, str]:
        settings = image_environment()
        for variable in container["env"]:
            settings[variable["name"]] = variable.get("value") or self._referred(variable["valueFrom"])
        local = {name: self.substitutions.value(value) for name, value in settings.items()}
        return {**local, **self._identity(), "PATH": os.environ["PATH"]}

    def _referred(self, source: Object) -> str:
        if "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "metadata.namespace"
            return self.namespace.name
        reference = source["secretKeyRef"]
        return self.namespace.data("secrets", reference["name"])[reference["key"]].decode()

    def _identity(self) -> dict[str, str]:
        """The pod's own rights, where it is given a token at all."""
        if not self.spec["automountServiceAccountToken"]:
            return {}
        cluster = self.namespace.cluster
        token = cluster.token_of(self.namespace.name, self.spec["serviceAccountName"])
        return {"KUBECONFIG": str(cluster.kubeconfig_with(token))}

    def wait_until_ready(self) -> None:
        startup = self.container["startupProbe"]
        self._wait_for("startupProbe", startup["failureThreshold"] * startup["periodSeconds"])
        self._wait_for("readinessProbe", READY_SECONDS)

    def _wait_for(self, name: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.is_running, self.log.read_text()
            if self.passes(name):
                return
            time.sleep(LOOK_SECONDS)
        raise AssertionError(f"{name} did not pass: {self.log.read_text()}")

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def passes(self, name: str) -> bool:
        """Whether the probe of this name passes now."""
        probe = self.container[name]
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        url = self.substitutions.url(ports[probe["httpGet"]["port"]], probe["httpGet"]["path"])
        try:
            return httpx.get(url, timeout=probe["timeoutSeconds"], trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """As a kubelet does. Raises TimeoutExpired when the grace period is too short."""
        assert self.process
        began = time.monotonic()
        if hook := self.container.get("lifecycle", {}).get("preStop", {}).get("exec"):
            program = shutil.which(hook["command"][0])
            assert program
            subprocess.run([program, *hook["command"][1:]], check=True)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(self.spec["terminationGracePeriodSeconds"] - (time.monotonic() - began))

    def kill(self) -> None:
        """End what a failed test leaves."""
        if self.process and self.is_running:
            self.process.kill()
            self.process.wait()
