/// An object of the TLS library, given back with the last reference to this.
///
/// Who holds a bare pointer and gives it back in its own deinit has to know whether that runs when its initializer throws:
/// it does once all its properties are set, and does not before. This makes it once in either case.
final class LibraryObject: Sendable {
    // SAFETY: set once; whoever shares it vouches for the library's own rules about threads.
    nonisolated(unsafe) let pointer: OpaquePointer
    private let free: @Sendable (OpaquePointer?) -> Void

    init(_ pointer: OpaquePointer, free: @escaping @Sendable (OpaquePointer?) -> Void) {
        self.pointer = pointer
        self.free = free
    }

    deinit { free(pointer) }
}
