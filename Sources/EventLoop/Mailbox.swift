internal import CLinux
internal import Glibc
internal import Synchronization

/// Messages from anywhere to one worker: a locked array and an eventfd that wakes the worker's epoll.
///
/// The worker takes all messages at once; nothing of this is on the path of a request.
package final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    /// For the worker to watch; readable while there are messages.
    package let descriptor: Int32

    package init() throws(EventLoopError) {
        descriptor = martlet_eventfd_create()
        guard descriptor >= 0 else { throw EventLoopError("cannot create an eventfd", code: descriptor) }
    }

    deinit { close(descriptor) }

    package func post(_ message: Message) {
        messages.withLock { $0.append(message) }
        martlet_eventfd_signal(descriptor)
    }

    /// Takes what there is, and makes the descriptor quiet again.
    package func takeAll() -> [Message] {
        martlet_eventfd_clear(descriptor)
        return messages.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }
}
