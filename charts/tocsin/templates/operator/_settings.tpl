{{- define "tocsin.operator.organizations" -}}
{{- $pairs := list }}
{{- range $namespace, $organization := . }}
{{- $pairs = append $pairs (printf "%s=%s" $namespace $organization) }}
{{- end }}
{{- join "," $pairs }}
{{- end }}
