#!/usr/bin/env bash
# Prints the Secret istio-system/api-tls-cert that production/gateway.yaml names, with a new self-signed certificate:
#   examples/mission/gateway-secret.sh > examples/mission/production/gateway-secret.yaml
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=api.example.com' \
    -addext 'subjectAltName=DNS:api.example.com' -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
cat <<EOF
apiVersion: v1
kind: Secret
metadata:
  name: api-tls-cert
  namespace: istio-system
type: kubernetes.io/tls
data:
  tls.crt: $(base64 -w0 "$folder/cert.pem")
  tls.key: $(base64 -w0 "$folder/key.pem")
EOF
