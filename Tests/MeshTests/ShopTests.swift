import Foundation
import Testing

/// A pod without a sidecar: it has no identity.
private let probePod = """
    apiVersion: v1
    kind: Pod
    metadata:
      name: probe
      namespace: shop
      annotations:
        sidecar.istio.io/inject: "false"
    spec:
      containers:
        - name: probe
          command: ["sleep", "infinity"]
    """

/// Looks for what belongs to others, and says `OPEN` for what it finds.
private let spyPod = #"""
    apiVersion: v1
    kind: Pod
    metadata:
      name: spy
      namespace: shop
      annotations:
        sidecar.istio.io/inject: "false"
    spec:
      containers:
        - name: spy
          command:
            - sh
            - -c
            - |
              for p in /proc/[0-9]*; do
                line=$(tr '\0' ' ' < $p/cmdline 2> /dev/null)
                case "$line" in
                  "sh -c"*) continue ;;
                  *" control-plane "*|*" proxy "*) ;;
                  *) continue ;;
                esac
                ls $p/root/ > /dev/null 2>&1 && echo "OPEN root of $line"
                cat $p/environ > /dev/null 2>&1 && echo "OPEN environment of $line"
                case "$line" in *--state-dir*) ;; *) continue ;; esac
                dir=${line##*--state-dir }
                dir=${dir%% *}
                echo "state is $dir"
                [ -n "$(ls $dir)" ] && echo "OPEN $dir"
              done
              grep -v ' lo$' /proc/net/if_inet6 && echo "OPEN address of IPv6"
              echo "spy has looked"
              sleep infinity
    """#

extension WholeMesh {
    /// What a newcomer sees after `make up`.
    @Suite(
        .mesh {
            try Mesh(copying: ["shop": "\(Mesh.examples)/shop"], texts: ["probe.yaml": probePod, "spy.yaml": spyPod])
        }
    )
    struct ShopTests {
        static let host = "shop.example.com"

        @Test func aRequestThroughTheGatewayReachesEveryService() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            let answer = try mesh.get("/", host: Self.host)
            #expect(answer.headers["x-service"] == "frontend")
            for service in ["frontend", "catalog", "reviews", "cart", "payments"] {
                #expect(answer.text.contains("\"service\":\"\(service)\""), "\(service) in \(answer.text)")
            }
        }

        @Test func aPodReachesItsOwnServiceAlsoWhenItIsItsOnlyEndpoint() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            let url = "http://cart:8080/"
            let answer = try mesh.exec("shop/cart-v1", ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url])
            #expect(answer.output == "200", "\(answer)")
        }

        @Test func aContainerSeesNoKeysOfOthersAndNoWayPastTheSidecars() async throws {
            let mesh = try currentMesh()
            let seen = try await eventually("the report of the spy") {
                let text = try mesh.martlet("logs", ["shop/spy"]).output.split(separator: "\n")
                return text.contains("spy has looked") ? text : nil
            }
            #expect(seen.contains { $0.hasPrefix("state is /") }, "it knows where to look: \(seen)")
            #expect(!seen.contains { $0.hasPrefix("OPEN") }, "\(seen)")
        }

        @Test func aPathIsRewrittenAtTheGateway() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            let answer = try mesh.get("/api/shoes", host: Self.host)
            #expect(answer.headers["x-service"] == "catalog")
            #expect(answer.text.contains("\"path\":\"/shoes\""), "\(answer.text)")
        }

        @Test func anUnknownHostIsNotFound() throws {
            #expect(try currentMesh().get("/", host: "unknown.example.com").status == 404)
        }

        @Test func everyHopIsMutualTLSWithTheCallersIdentity() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            let text = try mesh.get("/", host: Self.host).text
            // The sidecar of the callee writes whom it saw in the certificate.
            for caller in ["frontend", "catalog", "cart"] {
                #expect(text.contains("URI=spiffe://cluster.local/ns/shop/sa/\(caller)"), "\(caller) in \(text)")
            }
            #expect(text.contains("By=spiffe://cluster.local/ns/shop/sa/catalog"), "\(text)")
        }

        @Test func theAccessLogOfTheCalleeNamesTheTLSServerName() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            try await eventually("an access log line with the TLS server name of catalog") {
                mesh.log("pods/shop/catalog-v1-0/access.log")
                    .contains("outbound_.8080_._.catalog.shop.svc.cluster.local") ? true : nil
            }
        }

        @Test func plaintextFromAPodWithoutIdentityIsRefused() async throws {
            let mesh = try currentMesh()
            let addresses = try await eventually("the address of catalog") { try mesh.addresses(of: "catalog-v1") }
            let address = try #require(addresses.first)
            let result = try mesh.exec(
                "probe",
                ["curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", "http://\(address):8080/"]
            )
            #expect(!result.succeeded, "\(result)")
            #expect(result.output.hasPrefix("000"), "\(result)")
            // Refused by the sidecar, not for want of a way: 7 would be "could not connect", 28 a timeout.
            #expect([52, 56].contains(result.status), "\(result)")
        }

        @Test func aPodReachesAServiceByEachOfItsNames() async throws {
            let mesh = try currentMesh()
            for name in ["catalog", "catalog.shop", "catalog.shop.svc.cluster.local"] {
                let result = try mesh.exec(
                    "cart-v1",
                    ["curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", "http://\(name):8080/"]
                )
                #expect(result.output == "200", "\(result)")
            }
        }

        @Test func metricsNameBothEndsOfACall() async throws {
            let mesh = try currentMesh()
            try await mesh.waitUntilServing(host: Self.host)
            let metrics = try await eventually("istio_requests_total of catalog's sidecar") {
                let result = try mesh.exec("catalog-v1", ["curl", "-s", "http://127.0.0.1:15090/stats/prometheus"])
                return result.output.contains("istio_requests_total{") ? result.output : nil
            }
            let line = metrics.split(separator: "\n").first {
                $0.hasPrefix("istio_requests_total{") && $0.contains("reporter=\"destination\"")
                    && $0.contains("source_workload=\"frontend-v1\"")
            }
            let found = try #require(line, "\(metrics)")
            #expect(found.contains("destination_service=\"catalog.shop.svc.cluster.local\""))
            #expect(found.contains("connection_security_policy=\"mutual_tls\""))
            #expect(metrics.contains("istio_request_duration_milliseconds_bucket{"))
        }

        @Test func statusShowsTheServices() throws {
            let result = try currentMesh().martlet("status")
            #expect(result.succeeded, "\(result)")
            for service in ["frontend", "catalog", "cart", "reviews", "ratings", "payments"] {
                #expect(result.output.contains(service), "\(result)")
            }
        }

        @Test func logsShowAWorkload() throws {
            let result = try currentMesh().martlet("logs", ["catalog-v1"])
            #expect(result.succeeded, "\(result)")
            #expect(result.output.contains("catalog v1 listens on"), "\(result)")
        }
    }
}

extension Mesh {
    /// Addresses of a workload's pods, from `workloads.json`; nil before there are any.
    func addresses(of workload: String) throws -> [String]? {
        struct File: Decodable {
            struct Workload: Decodable {
                var workload: String
                var ip: String
            }
            var workloads: [Workload]
        }
        let file = try JSONDecoder().decode(
            File.self,
            from: Data(contentsOf: stateFolder.appending(path: "workloads.json"))
        )
        let found = file.workloads.filter { $0.workload == workload }.map(\.ip)
        return found.isEmpty ? nil : found
    }
}
