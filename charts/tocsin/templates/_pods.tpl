{{/* What all pods of ours have in common. Takes root, component, values, and location where there is one. */}}
{{- define "tocsin.pod.labels" -}}
{{ include "tocsin.selector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- with .location }}
tocsin.dev/location: {{ . }}
{{- end }}
{{- end }}

{{- define "tocsin.pod.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range .root.Values.topologySpread.topologyKeys }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "tocsin.pod.labels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}

{{- define "tocsin.pod.security" -}}
runAsNonRoot: true
{{- with .Values.podSecurityContext.runAsUser }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .Values.podSecurityContext.runAsGroup }}
runAsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The Pod Security Standard `restricted` asks for all but the last. */}}
{{- define "tocsin.container.security" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "tocsin.container.image" -}}
image: {{ include "tocsin.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "tocsin.env.servers" -}}
- name: TOCSIN_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "tocsin.secret.database" . }}
      key: {{ ternary "database-url" .Values.database.urlKey .Values.trial.enabled }}
- name: TOCSIN_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "tocsin.secret.redis" . }}
      key: {{ ternary "redis-url" .Values.redis.urlKey .Values.trial.enabled }}
{{- end }}

{{- define "tocsin.env.encryptionKeys" -}}
- name: TOCSIN_ENCRYPTION_KEYS
  valueFrom:
    secretKeyRef:
      name: {{ include "tocsin.secret.encryptionKeys" . }}
      key: {{ .Values.encryptionKeys.key }}
{{- end }}

{{/*
Every pod brings the database to its version first: one at a time, by a lock, and without effect where it is there
already. Why it is no Job: docs/decisions/0011-chart.md.
*/}}
{{- define "tocsin.migration" -}}
- name: migrate
  {{- include "tocsin.container.image" . | nindent 2 }}
  args: [migrate, --wait-seconds, "600"]
  env:
    {{- include "tocsin.env.servers" . | nindent 4 }}
    - name: TOCSIN_BOOTSTRAP_TOKEN
      valueFrom:
        secretKeyRef:
          name: {{ include "tocsin.secret.bootstrapToken" . }}
          key: {{ .Values.bootstrapToken.key }}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {memory: 384Mi}
  securityContext:
    {{- include "tocsin.container.security" . | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
{{- end }}

{{/* Alive while its work goes on; ready once it has begun, so that a rollout stops at a version that cannot begin. */}}
{{- define "tocsin.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: {{ .port }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ .port }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: {{ .ready }}
    port: {{ .port }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{- define "tocsin.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tocsin.labels" .root | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name }}
  minReplicas: {{ .values.minReplicas }}
  maxReplicas: {{ .values.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .values.targetCPUUtilizationPercentage }}
{{- end }}

{{/* A headless Service leads Prometheus to each pod. */}}
{{- define "tocsin.metricsService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tocsin.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  clusterIP: None
  selector:
    {{- include "tocsin.pod.labels" . | nindent 4 }}
  ports:
    - name: metrics
      port: 9090
      targetPort: metrics
{{- end }}
