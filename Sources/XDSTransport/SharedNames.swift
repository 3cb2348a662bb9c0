import Synchronization

/// Sets of names that many peers subscribe to alike: kept once, or they would be most of the memory of a large mesh.
enum SharedNames {
    private static let recent = Mutex<[Set<String>]>([])
    private static let most = 32
    /// Smaller ones are not worth the search.
    private static let fewest = 64

    /// The same names, in the storage of an equal set where one was seen lately. Cost: their number.
    static func shared(_ names: Set<String>) -> Set<String> {
        guard names.count >= fewest else { return names }
        return recent.withLock { known in
            if let place = known.firstIndex(of: names) {
                let found = known.remove(at: place)
                known.insert(found, at: 0)
                return found
            }
            known.insert(names, at: 0)
            if known.count > most { known.removeLast() }
            return names
        }
    }
}
