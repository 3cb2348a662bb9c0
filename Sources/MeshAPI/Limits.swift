/// What a configuration file may cost before it is refused.
package struct Limits: Sendable {
    /// Bytes of one file.
    package var fileBytes = 16 << 20
    /// Documents in one file.
    package var documents = 20_000
    /// Values (scalars, keys, collections) of one document, aliases counted expanded: stops "billion laughs".
    package var nodes = 1_000_000
    /// Collections inside collections. libyaml's own limit is 1000.
    package var depth = 100
    /// Values of all resources together by which one namespace may occupy others: beyond it they are left out. Policies of
    /// security are not counted, because they reach their own namespace's pods only and to leave one out would open a door.
    package var namespaceNodes = 500_000
    /// Diagnostics kept for one file; the rest are counted only.
    package var diagnostics = 1_000

    package init() {}
}
