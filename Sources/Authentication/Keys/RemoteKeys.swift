/// Key sets that were fetched, by where they came from. Times are of any monotonic clock, in milliseconds.
package struct RemoteKeys: Sendable {
    struct Entry: Sendable {
        var keys: KeySet
        /// Of this set: tokens that another one has verified are looked at again.
        var version: UInt64
        var freshUntil: UInt64
    }

    /// Places whose keys are kept; who configures more, fetches more often.
    static let maxEntries = 256

    private var entries: [String: Entry] = [:]
    private var versions: UInt64 = 0

    package init() {}

    /// Keeps the key set that came from `source`.
    package mutating func store(_ text: String, from source: String, freshUntil: UInt64) throws(KeySet.Fault) {
        let keys = try KeySet(parsing: text)
        if entries[source] == nil, entries.count >= Self.maxEntries { entries.removeAll() }
        versions &+= 1
        entries[source] = Entry(keys: keys, version: versions, freshUntil: freshUntil)
    }

    /// Fetching has failed: the last good set, if there is one, is used until `time`. False: there is none.
    package mutating func keepLast(of source: String, until time: UInt64) -> Bool {
        guard entries[source] != nil else { return false }
        entries[source]?.freshUntil = time
        return true
    }

    /// The keys to be used at `time`; nil when they have to be fetched.
    func fresh(_ source: String, at time: UInt64) -> Entry? {
        guard let entry = entries[source], time < entry.freshUntil else { return nil }
        return entry
    }
}

/// What verification depends on beside token and configuration.
package struct VerificationContext: Sendable {
    /// Seconds since 1970.
    package var now: UInt64
    package var remoteKeys = RemoteKeys()
    /// The clock of `remoteKeys`.
    package var clock: UInt64 = 0

    package init(now: UInt64) { self.now = now }

    package init(now: UInt64, remoteKeys: RemoteKeys, clock: UInt64) {
        self.now = now
        self.remoteKeys = remoteKeys
        self.clock = clock
    }
}
