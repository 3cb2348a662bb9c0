/// The groups of one kind by number; numbers are given out by name once and stay.
@usableFromInline
package struct ScopedStatistics<Group: Sendable>: Sendable {
    package private(set) var names: [String] = []
    @usableFromInline var groups: [Group] = []
    private var numbers: [String: Int] = [:]
    /// Numbers of groups that were given up.
    private var free: [Int] = []

    package init() {}

    package var count: Int { names.count }

    // Inlinable into the engine: a coroutine that is called, not inlined, allocates its frame.
    @inlinable
    package subscript(number: Int) -> Group {
        @inline(__always) get { groups[number] }
        @inline(__always) _modify { yield &groups[number] }
    }
}

extension ScopedStatistics where Group: StatisticGroup {
    /// The number of the group with this name, made when it is new. For when a snapshot arrives: it may allocate.
    package mutating func number(of name: String) -> Int {
        if let known = numbers[name] { return known }
        if let number = free.popLast() {
            names[number] = name
            groups[number] = Group()
            numbers[name] = number
            return number
        }
        names.append(name)
        groups.append(Group())
        numbers[name] = names.count - 1
        return names.count - 1
    }

    /// Groups that nothing counts in any more are given up once they are most of all; their numbers go to new names.
    package mutating func keep(_ used: Set<Int>) {
        guard numbers.count > 2 * used.count + 64 else { return }
        for (name, number) in numbers where !used.contains(number) {
            numbers[name] = nil
            names[number] = ""
            free.append(number)
        }
    }

    /// Adds another worker's share, name by name.
    package mutating func add(_ other: ScopedStatistics) {
        for (name, number) in other.numbers { groups[self.number(of: name)].add(other.groups[number]) }
    }
}
