package import MeshAPI

/// The resource, and the line of it, that made something.
package struct Origin: Hashable, Sendable, CustomStringConvertible {
    package var resource: ResourceKey
    package var location: SourceLocation

    package init(_ resource: ResourceKey, at location: SourceLocation) {
        self.resource = resource
        self.location = location
    }

    /// `VirtualService default/reviews (reviews.yaml:12:5)`
    package var description: String { "\(resource) (\(location))" }
}
