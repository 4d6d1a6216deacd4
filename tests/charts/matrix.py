"""Values that the chart is rendered with: what people choose, and each choice of its own."""

from typing import Any

Values = dict[str, Any]

OWN_SERVERS: Values = {"database": {"existingSecret": "servers"}, "redis": {"existingSecret": "servers"}}
TRIAL: Values = {"trial": {"enabled": True}}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

MATRIX: dict[str, Values] = {
    "own servers": OWN_SERVERS,
    "a trial": TRIAL,
    "a trial on a volume": {"trial": {"enabled": True, "storage": "5Gi", "storageClassName": "fast"}},
    "no operator": {**OWN_SERVERS, "operator": {"enabled": False}},
    "no receiver": {**OWN_SERVERS, "receiver": {"enabled": False}},
    "own secrets": {
        **OWN_SERVERS,
        "bootstrapToken": {"existingSecret": "token", "key": "t.oken"},
        "encryptionKeys": {"existingSecret": "keys"},
    },
    "one team": {
        **OWN_SERVERS,
        "operator": {"watchNamespaces": ["team-a"], "secretNamespaces": ["team-a"]},
        "kubernetesChecks": {"enabled": True, "namespaces": ["team-a"]},
    },
    "several organizations": {
        **OWN_SERVERS,
        "operator": {
            "cluster": "west",
            "namespaceOrganizations": {"team-a": "acme", "*": "default"},
            "secretNamespaces": ["team-a", "team-b"],
        },
    },
    "all kinds of resources": {
        **OWN_SERVERS,
        "kubernetesChecks": {
            "enabled": True,
            "extraResources": [{"group": "cert-manager.io", "resource": "certificates"}],
        },
    },
    "autoscaling": {
        **OWN_SERVERS,
        "api": {"autoscaling": {"enabled": True}},
        "workers": {"default": {"autoscaling": {"enabled": True, "maxReplicas": 40}}},
    },
    "an ingress": {
        **OWN_SERVERS,
        "api": {
            "ingress": {"enabled": True, "className": "nginx", "host": "tocsin.test", "tlsSecret": "tocsin-tls"},
            "allowedOrigins": ["https://status.tocsin.test", "https://tocsin.test"],
            "probeMetrics": True,
            "service": {"type": "NodePort", "port": 8080, "annotations": {"example.com/a": "b"}},
        },
        "receiver": {
            "ingress": {"enabled": True, "className": "nginx", "host": "ping.test", "tlsSecret": "ping-tls"},
            "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
            "mqtt": {"existingSecret": "broker", "urlKey": "url"},
        },
    },
    "network policies": {
        **TRIAL,
        "networkPolicy": {
            "enabled": True,
            "receiverFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "apiFrom": [{"namespaceSelector": {"matchLabels": {"team": "web"}}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}],
        },
    },
    "strict egress, and echoes": {
        **OWN_SERVERS,
        "egress": {
            "allowPrivateTargets": False,
            "exceptions": ["10.0.0.5:443", "[fd00::7]:443"],
            "extraCaCertificates": CERTIFICATE,
            "proxy": {"existingSecret": "proxy", "urlKey": "url"},
        },
        "workers": {"default": {"icmp": True, "concurrency": 500, "podAnnotations": {"example.com/a": "b"}}},
    },
    "two locations": {
        **OWN_SERVERS,
        "workers": {
            "default": {"concurrency": 500, "canaries": ["https://example.com", "192.0.2.1:53"]},
            "edge": {"replicas": 1, "canaries": [], "nodeSelector": {"zone": "edge"}, "autoscaling": {"enabled": True}},
        },
    },
    "users of the cluster's choice": {**OWN_SERVERS, "podSecurityContext": {"runAsUser": None, "runAsGroup": None}},
    "placed": {
        **OWN_SERVERS,
        "image": {"repository": "registry.test/tocsin", "digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "important",
        "topologySpread": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "scheduler": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}], "replicas": 3},
    },
    "named": {**TRIAL, "fullnameOverride": "alarm-bell", "nameOverride": "bell"},
    "no definition": {**OWN_SERVERS, "crds": {"enabled": False}},
    "a definition that goes": {**OWN_SERVERS, "crds": {"keep": False}},
}
# What takes definitions that are not Kubernetes' own.
MONITORED: Values = {
    **OWN_SERVERS,
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
}
EVERYTHING = {**MATRIX, "monitored": MONITORED}

# What is refused, and how the message names it.
REFUSED: dict[str, tuple[Values, str]] = {
    "no database": ({}, "database.existingSecret is not set"),
    "no Redis": ({"database": {"existingSecret": "servers"}}, "redis.existingSecret is not set"),
    "a trial with own servers": ({**OWN_SERVERS, **TRIAL}, "leave out database.existingSecret"),
    "an unknown value": ({**TRIAL, "databse": {}}, "additional properties 'databse' not allowed"),
    "an unknown value of a role": ({**TRIAL, "scheduler": {"replica": 1}}, "at '/scheduler'"),
    "replicas in words": ({**TRIAL, "api": {"replicas": "two"}}, "at '/api/replicas'"),
    "a negative number": ({**TRIAL, "scheduler": {"replicas": -1}}, "at '/scheduler/replicas'"),
    "no slots": ({**TRIAL, "workers": {"default": {"concurrency": 0}}}, "at '/workers/default/concurrency'"),
    "a location without a name": ({**TRIAL, "workers": {"Europe!": {"replicas": 1}}}, "invalid propertyName 'Europe!'"),
    "no default location": ({**TRIAL, "workers": {"default": None, "eu": {}}}, "missing property 'default'"),
    "a canary that is none": (
        {**TRIAL, "workers": {"default": {"canaries": ["x"]}}},
        "at '/workers/default/canaries/0'",
    ),
    "a switch in words": ({**TRIAL, "crds": {"keep": "yes"}}, "at '/crds/keep'"),
    "another egress": ({**TRIAL, "egress": {"allowPrivateTargets": "no"}}, "at '/egress/allowPrivateTargets'"),
    "an exception without a port": ({**TRIAL, "egress": {"exceptions": ["10.0.0.5"]}}, "at '/egress/exceptions/0'"),
    "no certificates": ({**TRIAL, "egress": {"extraCaCertificates": "ca.crt"}}, "at '/egress/extraCaCertificates'"),
    "an origin with a path": ({**TRIAL, "api": {"allowedOrigins": ["https://a.b/c"]}}, "at '/api/allowedOrigins/0'"),
    "a URL with a password": ({**TRIAL, "receiver": {"url": "https://me:word@ping.test"}}, "at '/receiver/url'"),
    "a proxy by name": ({**TRIAL, "receiver": {"trustedProxies": ["proxy"]}}, "at '/receiver/trustedProxies/0'"),
    "a port beyond all": ({**TRIAL, "api": {"service": {"port": 70000}}}, "at '/api/service/port'"),
    "all resources": (
        {**TRIAL, "kubernetesChecks": {"extraResources": [{"group": "apps", "resource": "*"}]}},
        "at '/kubernetesChecks/extraResources/0/resource'",
    ),
    "all groups": (
        {**TRIAL, "kubernetesChecks": {"extraResources": [{"group": "*", "resource": "widgets"}]}},
        "at '/kubernetesChecks/extraResources/0/group'",
    ),
    "Secrets as resources": (
        {**TRIAL, "kubernetesChecks": {"extraResources": [{"group": "", "resource": "secrets"}]}},
        "at '/kubernetesChecks/extraResources/0/resource'",
    ),
    "Secrets of all namespaces": (
        {**TRIAL, "operator": {"secretNamespaces": ["*"]}},
        "at '/operator/secretNamespaces/0'",
    ),
    "Secrets where nothing counts": (
        {**TRIAL, "operator": {"watchNamespaces": ["team-a"], "secretNamespaces": ["team-b"]}},
        "operator.secretNamespaces names team-b",
    ),
    "an organization without a name": (
        {**TRIAL, "operator": {"namespaceOrganizations": {"team-a": ""}}},
        "at '/operator/namespaceOrganizations/team-a'",
    ),
    "root": ({**TRIAL, "podSecurityContext": {"runAsUser": 0}}, "at '/podSecurityContext/runAsUser'"),
    "another context": (
        {**TRIAL, "podSecurityContext": {"runAsNonRoot": False}},
        "at '/podSecurityContext'",
    ),
    "a digest that is none": ({**TRIAL, "image": {"digest": "latest"}}, "at '/image/digest'"),
    "a size without a unit": ({**TRIAL, "trial": {"enabled": True, "storage": "5"}}, "at '/trial/storage'"),
}
