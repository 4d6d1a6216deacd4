{{/* A cluster that several organizations share probes public addresses only, unless its admin decides otherwise. */}}
{{- define "tocsin.allowPrivateTargets" -}}
{{- if eq (toString .Values.egress.allowPrivateTargets) "auto" -}}
{{- le (len (uniq (values .Values.operator.namespaceOrganizations))) 1 -}}
{{- else -}}
{{- .Values.egress.allowPrivateTargets -}}
{{- end -}}
{{- end }}

{{/* Any group may be in the range; the one that the pods have is enough. */}}
{{- define "tocsin.pingGroups" -}}
{{- with .Values.podSecurityContext.runAsGroup }}{{ int64 . }} {{ int64 . }}{{ else }}0 2147483647{{ end -}}
{{- end }}
