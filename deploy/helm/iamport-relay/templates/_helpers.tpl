{{/* Each takes (list $ "receiver"), the whole context and the name of the process, unless it says otherwise. */}}

{{- define "relay.name" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s" (trunc 50 $root.Release.Name | trimSuffix "-") (index . 1) -}}
{{- end }}

{{- define "relay.selector" -}}
app.kubernetes.io/name: iamport-relay
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "relay.labels" -}}
{{ include "relay.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: iamport-relay-{{ (index . 0).Chart.Version }}
{{- end }}

{{- define "relay.metadata" -}}
name: {{ include "relay.name" . }}
labels:
  {{- include "relay.labels" . | nindent 2 }}
{{- end }}

{{/* The metadata of a pod: it is replaced when a setting changes. */}}
{{- define "relay.podMetadata" -}}
labels:
  {{- include "relay.labels" . | nindent 2 }}
annotations:
  checksum/config: {{ toJson (index . 0).Values.config | sha256sum }}
{{- end }}

{{/* What all pods share beside their containers. */}}
{{- define "relay.pod" -}}
{{- $root := index . 0 -}}
automountServiceAccountToken: false
# Variables for services, such as RELAY_RECEIVER_PORT for a release named "relay", would be taken for unknown settings.
enableServiceLinks: false
{{- with $root.Values.serviceAccount.name }}
serviceAccountName: {{ . }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
# After SIGTERM a process finishes what is under way, within 30 s.
terminationGracePeriodSeconds: 40
volumes:
  - { name: tmp, emptyDir: {} }
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "relay.selector" . | nindent 8 }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What all containers share; (list $ "workers") with the module that runs. */}}
{{- define "relay.container" -}}
{{- $root := index . 0 -}}
image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: [python, -P, -m, {{ index . 1 }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Where settings come from; what is named later wins. (list $ secret …) with further secrets, which may be blank. */}}
{{- define "relay.envFrom" -}}
{{- $root := index . 0 -}}
envFrom:
  - configMapRef:
      name: {{ include "relay.name" (list $root "config") }}
  - secretRef:
      name: {{ required "secrets.redis names the secret that has REDIS_URL" $root.Values.secrets.redis }}
  {{- range rest . }}
  {{- with . }}
  - secretRef:
      name: {{ . }}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "relay.probe" -}}
httpGet:
  path: {{ index . 0 }}
  port: {{ index . 1 }}
periodSeconds: {{ index . 2 }}
timeoutSeconds: 5
failureThreshold: {{ index . 3 }}
{{- end }}

{{/* A process may take a minute to start, and is replaced when it has not answered for half a minute. */}}
{{- define "relay.lives" -}}
startupProbe:
  {{- include "relay.probe" (list "/livez" . 2 30) | nindent 2 }}
livenessProbe:
  {{- include "relay.probe" (list "/livez" . 10 3) | nindent 2 }}
{{- end }}
