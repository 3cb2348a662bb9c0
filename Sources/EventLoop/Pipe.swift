/// A pipe of the kernel's, through which bytes go from one socket to another without being copied (splice(2)). Whoever
/// holds it closes it.
package struct Pipe: Sendable, Hashable {
    /// Where bytes come out, and where they go in.
    let reading: Int32
    let writing: Int32
    /// Bytes that it holds at most.
    package let capacity: Int

    init(reading: Int32, writing: Int32, capacity: Int) {
        self.reading = reading
        self.writing = writing
        self.capacity = capacity
    }

    /// What is asked for: twice as much moves no faster, and a quarter costs a tenth more CPU.
    static let wantedCapacity: Int32 = 256 * 1024
}
