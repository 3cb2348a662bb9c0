internal import EventLoop
internal import Memory
internal import TLS

/// The TLS half of a connection: between ciphertext buffers and plaintext buffers, without a socket.
extension Connection {
    @inline(__always)
    mutating func sendOutput<Wire: Transport & ~Copyable>(_ transport: inout Wire) -> Int {
        sent(transport.send(socket, output))
    }

    @inline(__always)
    private mutating func sent(_ count: Int) -> Int {
        if count > 0 { wireSent &+= UInt64(truncatingIfNeeded: count) }
        return count
    }

    @inline(__always)
    mutating func sendCipher<Wire: Transport & ~Copyable>(_ transport: inout Wire) -> Int {
        sent(transport.send(socket, cipherOutput))
    }

    /// Sends the output and the first `count` bytes of `body`, gathered.
    @inline(__always)
    mutating func send<Wire: Transport & ~Copyable>(
        _ body: borrowing ByteBuffer, count: Int, _ transport: inout Wire
    ) -> Int {
        sent(transport.send(socket, output, body, count: count))
    }

    /// Whether there is something to be read without waiting: in the input, in ciphertext, or in the socket.
    mutating func hasInput() -> Bool {
        if canRead || !input.isEmpty || !cipherInput.isEmpty { return true }
        if !isTLS { return false }
        return session?.hasBufferedPlaintext == true
    }

    /// The bytes that were inspected turned out to be the beginning of a handshake.
    mutating func inspectedIsCipher() { swap(&input, &cipherInput) }

    func peekClientHello() -> ClientHello.Peek { ClientHello.peek(input.bytes.bytes) }

    func inspectHTTP() -> HTTPInspector.Verdict { HTTPInspector.inspect(input.bytes) }

    /// Takes the handshake further with the ciphertext at hand. What is to be sent is in `cipherOutput`.
    mutating func continueHandshake() -> TLSStatus {
        guard session != nil else { return .failed }
        while true {
            cipherOutput.reserve(TLSSession.minimumOutputRoom + 4096)
            var result: TLSStep?
            _ = cipherOutput.fill { output in
                cipherInput.withReadable { input in
                    result = session?.handshake(input: input, output: output)
                }
                return result?.produced ?? 0
            }
            guard let step = result else { return .failed }
            cipherInput.consume(step.consumed)
            if step.status != .wantsOutput { return step.status }
        }
    }

    /// Decrypts into the room of `input`, which has memory. Returns the status and how many bytes came out.
    mutating func decrypt() -> (status: TLSStatus, count: Int) {
        guard session != nil else { return (.failed, 0) }
        var result: TLSStep?
        cipherOutput.reserve(TLSSession.minimumOutputRoom)
        _ = cipherOutput.fill { output in
            _ = input.fill { plaintext in
                cipherInput.withReadable { cipher in
                    result = session?.read(input: cipher, output: output, into: plaintext)
                }
                return result?.plaintext ?? 0
            }
            return result?.produced ?? 0
        }
        guard let step = result else { return (.failed, 0) }
        cipherInput.consume(step.consumed)
        return (step.status, step.plaintext)
    }

    /// Seals `output` and then the first `count` bytes of `body` into `cipherOutput`; returns how many bytes of `body`
    /// were taken, or -1 when the session is broken. `output` is taken from the front.
    mutating func encrypt(_ body: borrowing ByteBuffer, count: Int) -> Int {
        guard session != nil else { return -1 }
        let head = output.count
        // A buffer of the pool takes all but the largest records, and these are cut to its size: nothing grows.
        let wanted = min(head &+ count, TLSSession.maximumRecord) &+ TLSSession.minimumOutputRoom &+ 256
        if cipherOutput.room < min(wanted, 8 * 1024) { cipherOutput.reserve(wanted) }
        var result: TLSStep?
        _ = cipherOutput.fill { room in
            output.withReadable { first in
                body.withReadable { second in
                    let part = UnsafeRawBufferPointer(start: second.baseAddress, count: min(count, second.count))
                    result = session?.write(first, part, output: room)
                }
            }
            return result?.produced ?? 0
        }
        guard let step = result, step.status != .failed else { return -1 }
        let fromHead = min(head, step.plaintext)
        output.consume(fromHead)
        return step.plaintext &- fromHead
    }

    /// Seals close_notify.
    mutating func sealEnd() {
        guard session != nil else { return }
        cipherOutput.reserve(TLSSession.minimumOutputRoom)
        _ = cipherOutput.fill { room in session?.shutdown(output: room).produced ?? 0 }
    }
}
