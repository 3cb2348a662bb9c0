/// What a route says about one type of upgrade (envoy.config.route.v3.RouteAction.UpgradeConfig).
package struct RouteUpgrade: Sendable, Equatable {
    /// As in `Upgrade`, lower case; `connect` for CONNECT.
    package var type: String
    package var isEnabled: Bool
    /// CONNECT ends here: the endpoint gets the bytes of the tunnel alone (connect_config).
    package var endsConnect: Bool

    package init(type: String, isEnabled: Bool = true, endsConnect: Bool = false) {
        self.type = type
        self.isEnabled = isEnabled
        self.endsConnect = endsConnect
    }
}
