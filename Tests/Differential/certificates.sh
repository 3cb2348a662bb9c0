#!/bin/sh
# Makes the certificates of the differential scenarios in the folder $1.
set -eu
cd "$1"

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.pem" \
        -days 2 -subj "/O=differential $1" 2>/dev/null
}

# leaf NAME AUTHORITY NAMES
leaf() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" \
        -subj "/CN=$1/O=differential" 2>/dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 -extfile "$1.ext" \
        -out "$1.pem" 2>/dev/null
}

authority ca
authority foreign-ca
leaf server ca "DNS:server.example,DNS:*.wild.example,URI:spiffe://cluster.local/ns/default/sa/server,IP:127.0.0.1"
leaf other ca "DNS:other.example"
leaf client ca "URI:spiffe://cluster.local/ns/default/sa/client,DNS:client.example"
leaf intruder ca "URI:spiffe://cluster.local/ns/default/sa/intruder,DNS:intruder.example"
leaf foreign foreign-ca "URI:spiffe://cluster.local/ns/default/sa/client,DNS:client.example"
