#!/bin/sh
# Regenerates Protos/ (trimmed) and Sources/XDS/Generated/ from Protos/selection.txt.
# Needs protoc, protoc-gen-swift (swift build --product protoc-gen-swift in swift-protobuf) and `pip install xds-protos`.
set -eu
cd "$(dirname "$0")/.."
find Protos -name '*.proto' -not -path 'Protos/istio/*' -delete
rm -rf Sources/XDS/Generated
mkdir -p Sources/XDS/Generated
python3 scripts/protos.py Protos Sources/XDS/Generated/SchemaText.swift
find Protos -name '*.proto' | sort | xargs protoc -IProtos --swift_out=Sources/XDS/Generated \
    --swift_opt=Visibility=Package --swift_opt=FileNaming=PathToUnderscores --swift_opt=UseAccessLevelOnImports=true
# The generator's own claim, said where our rule wants it.
sed -i 's|: @unchecked Sendable {$|: @unchecked Sendable {  // SAFETY: storage is copied on write and never shared while it changes.|' \
    Sources/XDS/Generated/*.pb.swift
