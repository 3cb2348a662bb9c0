/// Where a WebAssembly extension comes from and how it runs; shared by WasmPlugin and TrafficExtension.
package struct WasmModule: ObjectDecodable {
    package struct Variable: ObjectDecodable {
        package var name: String
        package var value: String?

        package init(_ reader: ObjectReader) {
            name = reader.requiredString("name")
            value = reader.string("value")
            if let source = reader.string("valueFrom"), !["INLINE", "HOST"].contains(source) {
                reader.error("valueFrom", "unsupported value \"\(source)\": expected one of INLINE, HOST")
            }
            if reader.string("valueFrom") == "HOST", value != nil {
                reader.error("value", "cannot be set when valueFrom is HOST")
            }
        }
    }

    package var location: SourceLocation
    package var url: String
    package var sha256: String?
    package var environment: [Variable]

    package init(_ reader: ObjectReader) {
        location = reader.location
        url = reader.requiredString("url")
        sha256 = reader.string("sha256")
        let machine = reader.child("vmConfig")
        environment = machine.objects("env")
        var names: Set<String> = []
        for variable in environment where !names.insert(variable.name).inserted {
            machine.error("env", "duplicate env \"\(variable.name)\"")
        }
        if let colon = url.firstIndex(of: ":"), url[colon...].hasPrefix("://"),
            !["http", "https", "oci", "file"].contains(url[..<colon])
        {
            reader.error("url", "unsupported scheme \"\(url[..<colon])\": use oci, http, https or file")
        }
        if let sha256, sha256.utf8.count != 64 || !sha256.utf8.allSatisfy(Self.isHex) {
            reader.error("sha256", "must be 64 characters of 0-9 and a-f")
        }
        if reader.has("pluginName"), reader.string("pluginName") == "" {
            reader.error("pluginName", "must not be empty")
        }
        reader.accept(
            "imagePullPolicy", "imagePullSecret", "pluginConfig", "pluginName", "verificationKey", "type",
            "failStrategy")
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        NameRules.isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

/// Which traffic an extension sees.
struct ExtensionMatch: ObjectDecodable {
    struct Port: ObjectDecodable {
        init(_ reader: ObjectReader) {
            if reader.int("number", in: 1...65535) == nil, !reader.has("number") {
                reader.error(nil, "number is required")
            }
        }
    }

    init(_ reader: ObjectReader) {
        reader.accept("mode")
        _ = reader.objects("ports", Port.self)
    }
}

/// `extensions.istio.io` WasmPlugin.
package struct WasmPlugin: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var selector: [String: String]?
    package var targets: [PolicyTarget]
    package var module: WasmModule

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        selector = spec.object("selector", LabelSelector.self)?.matchLabels
        targets = PolicyTarget.all(in: spec)
        module = WasmModule(spec)
        _ = spec.objects("match", ExtensionMatch.self)
        spec.accept("phase", "priority")
    }
}

/// `extensions.istio.io` TrafficExtension: a WebAssembly module or a Lua script.
package struct TrafficExtension: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var selector: [String: String]?
    package var targets: [PolicyTarget]
    package var wasm: WasmModule?
    package var lua: String?

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        selector = spec.object("selector", LabelSelector.self)?.matchLabels
        targets = PolicyTarget.all(in: spec)
        wasm = spec.object("wasm")
        spec.exactlyOne(of: "wasm", "lua")
        lua = spec.has("lua") ? spec.child("lua").requiredString("inlineCode") : nil
        _ = spec.objects("match", ExtensionMatch.self)
        spec.accept("phase", "priority")
    }
}
