private import CNIOBoringSSL
import Glibc

/// What a session keeps between calls; lives at a stable address because the library's callbacks come back to it.
struct SessionState {
    let ssl: OpaquePointer
    let context: TLSContext
    /// Clients: under which name sessions are kept.
    var sessionName = ""
    var peer: TLSCertificate?
    var failure: String?

    /// Ciphertext of the current call that the library has not read yet. Valid only during a call.
    var input: UnsafeRawPointer?
    var inputCount = 0
    /// Room of the current call for ciphertext. Valid only during a call.
    var output: UnsafeMutableRawPointer?
    var outputRoom = 0

    /// Plaintext bytes that are already sealed inside the library while their record waits for room.
    var sealed = 0
    var isEstablished = false
    var isClosedByPeer = false

    static func of(_ ssl: OpaquePointer?) -> UnsafeMutablePointer<SessionState>? {
        guard let ssl, let data = SSL_get_ex_data(ssl, 0) else { return nil }
        // SAFETY: index 0 is the application data slot; only TLSSession.init stores there, always a SessionState.
        return data.assumingMemoryBound(to: SessionState.self)
    }
}

/// The transport that the library sees: reads and writes go to the windows that the caller lent for this call.
enum WindowBIO {
    // SAFETY: filled once before first use and only read afterwards.
    nonisolated(unsafe) private static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "windows") else { return nil }
        BIO_meth_set_read(method, readWindow)
        BIO_meth_set_write(method, writeWindow)
        BIO_meth_set_ctrl(method, controlWindow)
        return method
    }()

    /// - Returns: an owned BIO over the state's windows; the state must outlive it.
    static func make(_ state: UnsafeMutablePointer<SessionState>) -> OpaquePointer? {
        guard let method, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, state)
        BIO_set_init(bio, 1)
        return bio
    }
}

private func readWindow(_ bio: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
    guard let bio, let bytes, let data = BIO_get_data(bio) else { return -1 }
    // SAFETY: WindowBIO.make stored a SessionState that outlives the BIO.
    let state = data.assumingMemoryBound(to: SessionState.self)
    let taken = min(Int(count), state.pointee.inputCount)
    guard taken > 0, let input = state.pointee.input else {
        BIO_set_retry_read(bio)
        return -1
    }
    memcpy(bytes, input, taken)
    state.pointee.input = input + taken
    state.pointee.inputCount -= taken
    return Int32(truncatingIfNeeded: taken)
}

private func writeWindow(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
    guard let bio, let bytes, let data = BIO_get_data(bio) else { return -1 }
    // SAFETY: as in readWindow.
    let state = data.assumingMemoryBound(to: SessionState.self)
    let put = min(Int(count), state.pointee.outputRoom)
    guard put > 0, let output = state.pointee.output else {
        BIO_set_retry_write(bio)
        return -1
    }
    memcpy(output, bytes, put)
    state.pointee.output = output + put
    state.pointee.outputRoom -= put
    return Int32(truncatingIfNeeded: put)
}

private func controlWindow(
    _ bio: OpaquePointer?,
    _ command: Int32,
    _ number: Int,
    _ pointer: UnsafeMutableRawPointer?
) -> Int {
    command == BIO_CTRL_FLUSH ? 1 : 0
}
