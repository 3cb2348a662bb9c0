// swift-tools-version:6.2
import PackageDescription

/// Settings of every Swift target: the language mode is 6, a warning is an error.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

/// The data path: cross-module inlining, so that a codec call costs what a call inside one module costs.
let hot: [SwiftSetting] = house + [.unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))]

/// Decisions and codecs that promise to hold no unsafe pointer: the compiler checks it.
let pure: [SwiftSetting] = hot + [.strictMemorySafety()]

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["martlet"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0", traits: []),
        .package(url: "https://github.com/grpc/grpc-swift-2", exact: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", exact: "2.9.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // Floor 0, ground.
        .target(name: "CLinux"),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
        .target(name: "Memory", swiftSettings: hot),
        .target(name: "EventLoop", dependencies: ["CLinux", "Memory"], swiftSettings: hot),

        // Floor 1, wire.
        .target(name: "HeaderBlock", swiftSettings: pure),
        .target(name: "HTTP1", dependencies: ["HeaderBlock", "Memory"], swiftSettings: pure),
        .target(name: "HPACK", dependencies: ["HeaderBlock", "Memory"], swiftSettings: pure),
        .target(name: "HTTP2", dependencies: ["HPACK", "HeaderBlock", "Memory"], swiftSettings: pure),
        .target(
            name: "TLS",
            dependencies: ["Memory", .product(name: "NIOSSL", package: "swift-nio-ssl")],
            swiftSettings: hot
        ),

        // Floor 2, vocabulary.
        .target(
            name: "XDS",
            dependencies: [
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: house
        ),
        .target(
            name: "XDSTransport",
            dependencies: [
                "TLS", "XDS",
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: house
        ),
        .target(
            name: "Identity",
            dependencies: [
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: house
        ),
        .target(
            name: "MeshAPI",
            dependencies: ["CRE2", .product(name: "Yams", package: "Yams")],
            swiftSettings: house
        ),

        // Floor 3, decisions.
        .target(name: "Routing", dependencies: ["CRE2", "HeaderBlock", "LoadBalancing"], swiftSettings: hot),
        .target(
            name: "Authorization", dependencies: ["Authentication", "HeaderBlock", "Routing"], swiftSettings: pure),
        .target(
            name: "Authentication",
            dependencies: [
                "HeaderBlock",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ],
            swiftSettings: pure
        ),
        .target(name: "LoadBalancing", swiftSettings: pure),
        .target(name: "Resilience", dependencies: ["HeaderBlock"], swiftSettings: pure),
        .target(name: "Telemetry", dependencies: ["HeaderBlock", "Memory"], swiftSettings: hot),

        // Floor 4, mesh state.
        .target(name: "MeshState", dependencies: ["MeshAPI"], swiftSettings: house),

        // Floor 5, rooms to live in.
        .target(
            name: "Proxy",
            dependencies: [
                "Authentication", "Authorization", "CLinux", "EventLoop", "HTTP1", "HTTP2", "HeaderBlock",
                "LoadBalancing",
                "Memory", "Resilience",
                "Routing", "TLS", "Telemetry", "XDS",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: hot
        ),
        .target(
            name: "Agent",
            dependencies: [
                "CLinux", "EventLoop", "HTTP1", "HeaderBlock", "Identity", "Proxy", "Resilience", "Routing", "TLS",
                "Telemetry", "XDS", "XDSTransport",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: house
        ),
        .target(
            name: "ControlPlane",
            dependencies: [
                "Authentication", "Identity", "MeshAPI", "MeshState", "XDS", "XDSTransport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: house
        ),
        .target(
            name: "Explain",
            dependencies: [
                "ControlPlane", "LocalMesh", "MeshAPI", "MeshState", "Proxy", "Routing", "XDS", "XDSTransport",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: house
        ),
        .target(
            name: "LocalMesh",
            dependencies: ["CLinux", "EventLoop", "Identity", "MeshAPI", "MeshState"],
            swiftSettings: house
        ),
        .target(
            name: "ExampleService",
            dependencies: [
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: house
        ),

        // Floor 6, face.
        .executableTarget(
            name: "martlet",
            dependencies: [
                "Agent", "ControlPlane", "ExampleService", "Explain", "Identity", "LocalMesh", "MeshAPI", "MeshState",
                "Proxy",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house,
            linkerSettings: [
                .unsafeFlags([
                    "-static-stdlib", "-lCoreFoundation", "-l_FoundationICU", "-l_FoundationCShims",
                    "-l_FoundationCollections", "-ldispatch", "-lBlocksRuntime", "-lm", "-lpthread", "-ldl", "-lstdc++",
                ])
            ]
        ),

        .testTarget(name: "MemoryTests", dependencies: ["Memory"], swiftSettings: house),
        .testTarget(name: "EventLoopTests", dependencies: ["CLinux", "EventLoop", "Memory"], swiftSettings: house),
        .testTarget(name: "HTTP1Tests", dependencies: ["HTTP1", "HeaderBlock", "Memory"], swiftSettings: house),
        .testTarget(name: "HPACKTests", dependencies: ["HPACK", "HeaderBlock", "Memory"], swiftSettings: house),
        .testTarget(
            name: "HTTP2Tests", dependencies: ["HPACK", "HTTP2", "HeaderBlock", "Memory"], swiftSettings: house),
        .testTarget(
            name: "TLSTests",
            dependencies: [
                "TLS",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: house
        ),
        .testTarget(
            name: "XDSTests",
            dependencies: ["XDS", "XDSTransport", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["unsupported-fields.txt"],
            swiftSettings: house
        ),
        .testTarget(name: "IdentityTests", dependencies: ["Identity"], swiftSettings: house),
        .testTarget(name: "MeshAPITests", dependencies: ["MeshAPI", "TestSupport"], swiftSettings: house),
        .testTarget(
            name: "MeshStateTests", dependencies: ["MeshAPI", "MeshState", "TestSupport"], swiftSettings: house),
        .testTarget(
            name: "DecisionTests",
            dependencies: [
                "Authentication", "Authorization", "HeaderBlock", "LoadBalancing", "Memory", "RequestSupport",
                "Resilience",
                "Routing", "Telemetry",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ],
            swiftSettings: house
        ),
        // Heads of requests as a codec would have filled them, for tests of decisions.
        .target(
            name: "RequestSupport", dependencies: ["HeaderBlock"], path: "Tests/RequestSupport", swiftSettings: house),
        // What tests of several targets need besides: where Istio's cases lie.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: house),
        // Its malloc counts: see Tests/ProxyTests/Engine/AllocationTests.swift.
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        // Names the seed of a simulation that crashed.
        .target(name: "CrashSeed", path: "Tests/CrashSeed"),
        .testTarget(
            name: "ProxyTests",
            dependencies: [
                "AllocationCounter", "CrashSeed", "EventLoop", "HTTP2", "HeaderBlock", "Memory", "Proxy", "Resilience",
                "Routing", "Telemetry", "XDS",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: house
        ),
        .testTarget(
            name: "ControlPlaneTests",
            dependencies: [
                "ControlPlane", "Identity", "MeshAPI", "MeshState", "TLS", "XDS", "XDSTransport",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: house
        ),
        .testTarget(
            name: "TrafficTests",
            dependencies: [
                "ControlPlane", "HeaderBlock", "MeshAPI", "MeshState", "Proxy", "RequestSupport", "Routing",
                "TestSupport",
                "XDS", "XDSTransport",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: house
        ),
        .testTarget(
            name: "ExplainTests",
            dependencies: ["ControlPlane", "Explain", "MeshAPI", "MeshState", "Proxy", "TestSupport"],
            swiftSettings: house
        ),
        .testTarget(name: "LocalMeshTests", dependencies: ["LocalMesh", "MeshAPI"], swiftSettings: house),
        .testTarget(
            name: "ExampleServiceTests",
            dependencies: ["ExampleService", .product(name: "NIOPosix", package: "swift-nio")],
            swiftSettings: house
        ),
        .testTarget(
            name: "AgentTests",
            dependencies: [
                "Agent", "Identity", "Proxy", "Resilience", "TLS", "XDS", "XDSTransport",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: house
        ),
        .testTarget(
            name: "MeshTests",
            dependencies: [
                "TestSupport", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Yams", package: "Yams"),
            ],
            exclude: ["Fields"],
            swiftSettings: house
        ),
        .testTarget(
            name: "DifferentialTests",
            dependencies: [
                "HPACK", "HeaderBlock", "Memory", "TLS", "XDS", "XDSTransport",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"), .product(name: "Yams", package: "Yams"),
            ],
            path: "Tests/Differential",
            exclude: [
                "Bootstraps", "Exchanges", "Support/authorization_service.py", "certificates.sh", "differences.yaml",
            ],
            swiftSettings: house
        ),
    ]
)
