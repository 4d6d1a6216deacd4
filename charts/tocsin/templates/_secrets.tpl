{{/* Names of the Secrets that pods read, the user's or the chart's own. */}}
{{- define "tocsin.secret.database" -}}
{{- if .Values.trial.enabled }}
{{- if or .Values.database.existingSecret .Values.redis.existingSecret }}
{{- fail "trial.enabled=true brings its own servers: leave out database.existingSecret and redis.existingSecret, or set it to false" }}
{{- end }}
{{- include "tocsin.fullname" . }}-trial
{{- else }}{{ required "database.existingSecret is not set: name a Secret with the URL of PostgreSQL, or set trial.enabled=true to try Tocsin" .Values.database.existingSecret }}
{{- end }}
{{- end }}

{{- define "tocsin.secret.redis" -}}
{{- if .Values.trial.enabled }}{{ include "tocsin.fullname" . }}-trial
{{- else }}{{ required "redis.existingSecret is not set: name a Secret with the URL of Redis, or set trial.enabled=true to try Tocsin" .Values.redis.existingSecret }}
{{- end }}
{{- end }}

{{- define "tocsin.secret.bootstrapToken" -}}
{{- default (printf "%s-bootstrap-token" (include "tocsin.fullname" .)) .Values.bootstrapToken.existingSecret }}
{{- end }}

{{- define "tocsin.secret.encryptionKeys" -}}
{{- default (printf "%s-encryption-keys" (include "tocsin.fullname" .)) .Values.encryptionKeys.existingSecret }}
{{- end }}

{{/* Data of a Secret that is there already, so that an upgrade changes nothing of it; `helm template` finds none. */}}
{{- define "tocsin.kept" -}}
{{- toYaml (dig "data" dict (lookup "v1" "Secret" .namespace .name | default dict)) }}
{{- end }}
