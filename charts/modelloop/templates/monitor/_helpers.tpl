{{- define "modelloop.monitorName" -}}
{{ include "modelloop.fullname" . }}-monitor
{{- end }}

{{- define "modelloop.monitorSelectorLabels" -}}
app.kubernetes.io/name: modelloop
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: monitor
{{- end }}

{{- define "modelloop.monitorLabels" -}}
{{ include "modelloop.monitorSelectorLabels" . }}
{{ include "modelloop.releaseLabels" . }}
{{- end }}

{{- define "modelloop.monitorURL" -}}
http://{{ include "modelloop.monitorName" . }}.{{ .Release.Namespace }}.svc:8080
{{- end }}

{{- define "modelloop.monitorClaim" -}}
{{ .Values.monitor.persistence.existingClaim | default (include "modelloop.monitorName" .) }}
{{- end }}

{{- /* A file can be written by one process alone; several need a database that they share. */}}
{{- define "modelloop.monitorChecked" -}}
{{- if and (gt (int .Values.monitor.replicas) 1) (not .Values.monitor.database.secretName) -}}
{{- fail "monitor.replicas above 1 needs monitor.database.secretName: several monitors share a PostgreSQL, a file is one process's own" -}}
{{- end -}}
{{- end }}
