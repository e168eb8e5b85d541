{{- define "modelloop.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "modelloop.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "modelloop.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "modelloop.selectorLabels" -}}
app.kubernetes.io/name: modelloop
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "modelloop.testLabels" -}}
app.kubernetes.io/name: modelloop
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{- /* The operator prunes children by its own value of managed-by; what Helm manages must say Helm. */}}
{{- define "modelloop.releaseLabels" -}}
app.kubernetes.io/part-of: modelloop
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "modelloop.labels" -}}
{{ include "modelloop.selectorLabels" . }}
{{ include "modelloop.releaseLabels" . }}
{{- end }}

{{- define "modelloop.subject" -}}
kind: ServiceAccount
name: {{ include "modelloop.serviceAccountName" . }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* Pod Security "restricted", for the operator and for the test. */}}
{{- define "modelloop.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
fsGroup: 65534
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "modelloop.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "modelloop.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
What the operator does in the namespaces it watches: exactly the calls its code makes (a contract test compares).
No wildcard, and Secrets only by name: an MLModel names the one with its registry's keys.
*/}}
{{- define "modelloop.rules" -}}
- apiGroups: [modelloop.dev]
  resources: [mlmodels]
  verbs: [list, watch]
- apiGroups: [modelloop.dev]
  resources: [mlmodels/status]
  verbs: [update]
# Never called. Where the admission plugin OwnerReferencesPermissionEnforcement is on, a child whose owner reference
# blocks its owner's deletion may only be made by who may update the owner's finalizers.
- apiGroups: [modelloop.dev]
  resources: [mlmodels/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# Jobs are made once and never changed.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
# A Service whose port was edited by hand can only be replaced: an apply would add the port beside the edited one.
- apiGroups: [""]
  resources: [services]
  verbs: [update]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.envoyproxy.io]
  resources: [backendtrafficpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Why pods are not ready, and whether a Service already reaches them.
- apiGroups: [""]
  resources: [pods, resourcequotas]
  verbs: [list]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
# Gateways of these namespaces, for a model's URL.
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
{{- end }}

{{- define "modelloop.clusterReads" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
{{- end }}
