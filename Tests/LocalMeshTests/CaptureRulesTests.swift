import LocalMesh
import Testing

@Suite struct CaptureRulesTests {
    @Test func allTrafficIsCapturedButTheProxysOwn() {
        let text = CaptureRules().text
        #expect(
            text == """
                table ip martlet {
                  chain own {
                    tcp dport { 15020, 15021, 15090 } return
                    meta l4proto tcp redirect to :15006
                  }
                  chain output {
                    type nat hook output priority -100; policy accept;
                    meta mark 1338 return
                    meta mark 1337 oifname "lo" ip daddr != 127.0.0.0/8 jump own
                    meta mark 1337 return
                    udp dport 53 redirect to :15053
                    ip daddr 127.0.0.0/8 return
                    meta l4proto tcp redirect to :15001
                  }
                  chain prerouting {
                    type nat hook prerouting priority -100; policy accept;
                    iifname "lo" return
                    tcp dport { 15020, 15021, 15090 } return
                    meta l4proto tcp redirect to :15006
                  }
                }

                """
        )
    }

    @Test(arguments: [
        ("excludeInboundPorts", "8081,8082", "tcp dport { 15020, 15021, 15090, 8081, 8082 } return"),
        ("excludeOutboundPorts", "3306", "tcp dport { 3306 } return"),
        ("includeInboundPorts", "8080", "tcp dport { 8080 } redirect to :15006"),
        ("includeOutboundIPRanges", "10.0.0.0/8", "meta l4proto tcp ip daddr { 10.0.0.0/8 } redirect to :15001"),
        ("excludeOutboundIPRanges", "192.168.0.0/16, 10.1.2.3", "ip daddr { 192.168.0.0/16, 10.1.2.3 } return"),
    ])
    func anAnnotationChangesWhatIsCaptured(name: String, value: String, line: String) throws {
        let rules = try CaptureRules(annotations: ["traffic.sidecar.istio.io/\(name)": value])
        #expect(rules.text.split(separator: "\n").contains { $0.trimmed == line }, "\(rules.text)")
    }

    @Test func anEmptyListOfInboundPortsCapturesNone() throws {
        let rules = try CaptureRules(annotations: ["traffic.sidecar.istio.io/includeInboundPorts": ""])
        #expect(!rules.text.contains(":15006"))
    }

    @Test(arguments: [
        ("excludeInboundPorts", "http"), ("excludeInboundPorts", "70000"), ("excludeOutboundIPRanges", "10.0.0.0/33"),
        ("includeOutboundIPRanges", "example.com"),
    ])
    func aMistakeNamesTheAnnotation(name: String, value: String) {
        let annotation = "traffic.sidecar.istio.io/\(name)"
        let error = #expect(throws: LocalMeshError.self) { try CaptureRules(annotations: [annotation: value]) }
        #expect(error?.description.contains(annotation) == true)
    }

    @Test func aPodWithoutSidecarReachesServicesByTranslation() {
        let rules = ServiceRules(services: [
            .init(
                address: "10.96.1.2",
                ports: [
                    .init(
                        transport: "tcp",
                        number: 80,
                        endpoints: [.init(address: "10.244.0.7", port: 8080), .init(address: "10.244.0.8", port: 8081)]
                    ),
                    .init(transport: "udp", number: 53, endpoints: [.init(address: "10.244.0.9", port: 5353)]),
                    .init(transport: "tcp", number: 81, endpoints: []),
                ]
            )
        ])
        for line in [
            "ip daddr 10.96.1.2 tcp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.244.0.7 . 8080, 1 : 10.244.0.8 . 8081 }",
            "ip daddr 10.96.1.2 udp dport 53 dnat to 10.244.0.9:5353",
            "ip daddr 10.96.1.2 tcp dport 81 reject with tcp reset",
        ] {
            #expect(rules.text.split(separator: "\n").contains { $0.trimmed == line }, "\(rules.text)")
        }
    }
}

extension Substring {
    var trimmed: Substring { drop { $0 == " " } }
}
