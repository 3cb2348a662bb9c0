import EventLoop
import SwiftProtobuf
import XDS

/// envoy.config.listener.v3.Listener -> `ListenerDescriptor`.
struct ListenerCompiler {
    var parts: CompiledParts
    var issues: [CompileIssue] = []

    init(parts: CompiledParts) { self.parts = parts }

    mutating func compile(_ listener: Envoy_Config_Listener_V3_Listener) -> ListenerDescriptor? {
        refuseUnsupported(listener)
        guard let address = listener.address.socketAddress else {
            issues.append(
                CompileIssue(path: "address", message: "needs socket_address with a literal IP and port_value, or pipe")
            )
            return nil
        }
        let filters = listenerFilters(listener)
        var chains: [FilterChainDescriptor] = []
        for (index, chain) in listener.filterChains.enumerated() {
            let path = "filter_chains[\(index)]"
            let name = chain.name.isEmpty ? "\(index)" : chain.name
            if let compiled = filterChain(chain, name: name, listener: listener, path: path) { chains.append(compiled) }
        }
        var fallback: FilterChainDescriptor?
        if listener.hasDefaultFilterChain {
            fallback = filterChain(
                listener.defaultFilterChain, name: "default", listener: listener, path: "default_filter_chain")
        }
        if chains.isEmpty, fallback == nil, issues.isEmpty {
            issues.append(CompileIssue(path: "filter_chains", message: "a listener needs at least one filter chain"))
        }
        return ListenerDescriptor(
            name: listener.name,
            address: address,
            bindsToPort: listener.hasBindToPort ? listener.bindToPort.value : true,
            usesOriginalDestination: listener.useOriginalDst.value,
            readsOriginalDestination: listener.useOriginalDst.value || filters.readsOriginalDestination,
            inspectsTLS: filters.inspectsTLS,
            inspectsHTTP: filters.inspectsHTTP,
            proxyProtocol: filters.proxyProtocol,
            inspectionTimeoutMilliseconds: listener.hasListenerFiltersTimeout
                ? milliseconds(
                    listener.listenerFiltersTimeout, path: "listener_filters_timeout", fallback: 15_000, issues: &issues
                )
                : 15_000,
            continuesOnInspectionTimeout: listener.continueOnListenerFiltersTimeout,
            filterChains: chains,
            defaultFilterChain: fallback,
            direction: direction(listener.trafficDirection),
            backlog: listener.hasTcpBacklogSize ? Int32(clamping: listener.tcpBacklogSize.value) : 4096,
            origin: parts.registry.provenance.intern(listener.metadata.origin)
        )
    }

    private mutating func refuseUnsupported(_ listener: Envoy_Config_Listener_V3_Listener) {
        func refuse(_ isSet: Bool, _ path: String) {
            if isSet { issues.append(CompileIssue(path: path, message: "not supported yet")) }
        }
        refuse(listener.transparent.value, "transparent")
        refuse(listener.freebind.value, "freebind")
        refuse(listener.hasApiListener, "api_listener")
        refuse(!listener.socketOptions.isEmpty, "socket_options")
        refuse(!listener.accessLog.isEmpty, "access_log")
        if listener.hasEnableReusePort, !listener.enableReusePort.value {
            issues.append(
                CompileIssue(
                    path: "enable_reuse_port", message: "false is not supported: each worker has a socket of its own"))
        }
        if listener.hasPerConnectionBufferLimitBytes {
            BufferLimit.check(listener.perConnectionBufferLimitBytes.value, issues: &issues)
        }
        if case .socketAddress(let socket)? = listener.address.address, socket.protocol == .udp {
            issues.append(
                CompileIssue(path: "address.socket_address.protocol", message: "UDP listeners are not supported"))
        }
    }

    private struct Inspection {
        var readsOriginalDestination = false
        var inspectsTLS = false
        var inspectsHTTP = false
        var proxyProtocol = ListenerDescriptor.ProxyProtocol.none
    }

    private mutating func listenerFilters(_ listener: Envoy_Config_Listener_V3_Listener) -> Inspection {
        var result = Inspection()
        for (index, filter) in listener.listenerFilters.enumerated() {
            let path = "listener_filters[\(index)]"
            if filter.hasFilterDisabled {
                issues.append(CompileIssue(path: path + ".filter_disabled", message: "not supported yet"))
            }
            let any = filter.typedConfig
            if any.isA(Envoy_Extensions_Filters_Listener_TlsInspector_V3_TlsInspector.self) {
                result.inspectsTLS = true
            } else if any.isA(Envoy_Extensions_Filters_Listener_HttpInspector_V3_HttpInspector.self) {
                result.inspectsHTTP = true
            } else if any.isA(Envoy_Extensions_Filters_Listener_OriginalDst_V3_OriginalDst.self) {
                result.readsOriginalDestination = true
            } else if any.isA(Envoy_Extensions_Filters_Listener_ProxyProtocol_V3_ProxyProtocol.self) {
                let message = unpack(
                    any, as: Envoy_Extensions_Filters_Listener_ProxyProtocol_V3_ProxyProtocol.self,
                    path: path + ".typed_config", issues: &issues)
                // The header comes before everything that another filter could look at.
                if index > 0 {
                    issues.append(CompileIssue(path: path, message: "proxy_protocol must be the first listener filter"))
                }
                result.proxyProtocol = message?.allowRequestsWithoutProxyProtocol == true ? .optional : .required
            } else {
                issues.append(CompileIssue(path: path, message: "listener filter \(filter.name) is not supported"))
            }
        }
        return result
    }

    private mutating func filterChain(
        _ chain: Envoy_Config_Listener_V3_FilterChain, name: String, listener: Envoy_Config_Listener_V3_Listener,
        path: String
    ) -> FilterChainDescriptor? {
        let match = FilterChainMatch(chain.filterChainMatch, path: path + ".filter_chain_match", issues: &issues)
        let tls = downstreamTLS(chain, path: path + ".transport_socket")
        let side = direction(listener.trafficDirection)
        var networkFilters: [NetworkFilter] = []
        var terminal: TerminalFilter?
        for (index, filter) in chain.filters.enumerated() {
            let place = "\(path).filters[\(index)].typed_config"
            if terminal != nil {
                issues.append(CompileIssue(path: place, message: "stands behind the filter that ends the chain"))
                break
            }
            let any = filter.typedConfig
            if any.isA(Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager.self) {
                terminal = httpConnectionManager(any, listener: listener, chain: name, direction: side, path: place)
                    .map(TerminalFilter.http)
            } else if any.isA(Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy.self) {
                terminal = tcpProxy(any, direction: side, path: place).map(TerminalFilter.tcp)
            } else if any.isA(Envoy_Extensions_Filters_Network_Rbac_V3_RBAC.self) {
                if let rbac = networkAuthorizer(any, path: place) { networkFilters.append(rbac) }
            } else if any.isA(Envoy_Extensions_Filters_Network_ExtAuthz_V3_ExtAuthz.self) {
                if let ask = parts.connectionAuthorization(any, path: place, issues: &issues) {
                    networkFilters.append(ask)
                }
            } else if any.isA(Envoy_Extensions_Filters_Network_LocalRatelimit_V3_LocalRateLimit.self) {
                if let limit = parts.connectionRateLimit(any, path: place, issues: &issues) {
                    networkFilters.append(limit)
                }
            } else if any.isA(Envoy_Extensions_Filters_Network_ConnectionLimit_V3_ConnectionLimit.self) {
                if let limit = parts.connectionLimit(any, path: place, issues: &issues) {
                    networkFilters.append(limit)
                }
            } else {
                issues.append(CompileIssue(path: place, message: "network filter \(filter.name) is not supported"))
            }
        }
        guard let terminal else {
            if issues.isEmpty {
                issues.append(
                    CompileIssue(
                        path: path + ".filters", message: "must end with http_connection_manager or tcp_proxy"))
            }
            return nil
        }
        return FilterChainDescriptor(
            name: name,
            configuredName: chain.name,
            match: match,
            tls: tls,
            networkFilters: networkFilters,
            terminal: terminal,
            transportConnectTimeoutMilliseconds: chain.hasTransportSocketConnectTimeout
                ? milliseconds(
                    chain.transportSocketConnectTimeout, path: path + ".transport_socket_connect_timeout",
                    fallback: 15_000, issues: &issues) : 15_000,
            origin: parts.registry.provenance.intern(chain.metadata.origin)
        )
    }

    private mutating func downstreamTLS(
        _ chain: Envoy_Config_Listener_V3_FilterChain, path: String
    ) -> DownstreamTLSDescriptor? {
        let any = chain.transportSocket.typedConfig
        guard chain.hasTransportSocket, !any.isA(Envoy_Extensions_TransportSockets_RawBuffer_V3_RawBuffer.self) else {
            return nil
        }
        let place = path + ".typed_config"
        guard
            let message = unpack(
                any, as: Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext.self, path: place,
                issues: &issues)
        else { return nil }
        let spec = TLSSpec(downstream: message, path: place, issues: &issues)
        return DownstreamTLSDescriptor(
            context: parts.registry.tls(spec, path: place, issues: &issues),
            requiresClientCertificate: spec.requiresClientCertificate)
    }

    private func direction(_ side: Envoy_Config_Core_V3_TrafficDirection) -> TrafficDirection {
        switch side {
        case .inbound: .inbound
        case .outbound: .outbound
        default: .unspecified
        }
    }
}

extension FilterChainMatch {
    /// envoy.config.listener.v3.FilterChainMatch.
    init(_ message: Envoy_Config_Listener_V3_FilterChainMatch, path: String, issues: inout [CompileIssue]) {
        self.init()
        if message.hasDestinationPort {
            if let port = UInt16(exactly: message.destinationPort.value) {
                destinationPort = port
            } else {
                issues.append(CompileIssue(path: path + ".destination_port", message: "a port is 1 to 65535"))
            }
        }
        func prefixes(_ ranges: [Envoy_Config_Core_V3_CidrRange], _ field: String) -> [AddressPrefix] {
            ranges.enumerated().compactMap { index, range in
                if let prefix = range.prefix { return prefix }
                issues.append(CompileIssue(path: "\(path).\(field)[\(index)]", message: "not an address range"))
                return nil
            }
        }
        destinationPrefixes = prefixes(message.prefixRanges, "prefix_ranges")
        sourcePrefixes = prefixes(message.sourcePrefixRanges, "source_prefix_ranges")
        serverNames = message.serverNames.map { $0.lowercased() }
        switch message.transportProtocol {
        case "": transport = .any
        case "raw_buffer": transport = .raw
        case "tls": transport = .tls
        default: issues.append(CompileIssue(path: path + ".transport_protocol", message: "must be raw_buffer or tls"))
        }
        applicationProtocols = message.applicationProtocols
        directSourcePrefixes = prefixes(message.directSourcePrefixRanges, "direct_source_prefix_ranges")
        switch message.sourceType {
        case .any: sourceType = .any
        case .sameIpOrLoopback: sourceType = .local
        case .external: sourceType = .external
        case .UNRECOGNIZED:
            issues.append(
                CompileIssue(path: path + ".source_type", message: "must be ANY, SAME_IP_OR_LOOPBACK or EXTERNAL"))
        }
        for (index, port) in message.sourcePorts.enumerated() {
            if let port = UInt16(exactly: port), port > 0 {
                sourcePorts.append(port)
            } else {
                issues.append(CompileIssue(path: "\(path).source_ports[\(index)]", message: "a port is 1 to 65535"))
            }
        }
    }
}
