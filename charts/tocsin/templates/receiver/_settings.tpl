{{/* How the world, or at least this cluster, reaches the receivers. */}}
{{- define "tocsin.receiver.url" -}}
{{- $ingress := .Values.receiver.ingress }}
{{- if .Values.receiver.url }}{{ .Values.receiver.url }}
{{- else if $ingress.enabled }}{{ printf "%s://%s" (ternary "https" "http" (ne $ingress.tlsSecret "")) $ingress.host }}
{{- else }}{{ printf "http://%s-receiver.%s:%v" (include "tocsin.fullname" .) .Release.Namespace .Values.receiver.service.port }}
{{- end }}
{{- end }}

{{- define "tocsin.env.receiver" -}}
- name: TOCSIN_RECEIVER_HOST
  value: 0.0.0.0
- name: TOCSIN_RECEIVER_PORT
  value: "8001"
{{- with .Values.receiver.trustedProxies }}
- name: TOCSIN_RECEIVER_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.receiver.mqtt }}
{{- if .existingSecret }}
- name: TOCSIN_MQTT_URL
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .urlKey }}
{{- end }}
{{- end }}
{{- end }}
