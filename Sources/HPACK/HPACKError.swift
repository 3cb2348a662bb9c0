/// A header block that cannot be decoded (RFC 7541): the connection's compression state is lost with it.
package enum HPACKError: UInt8, Error, Sendable {
    case truncated
    case badIndex
    case integerOverflow
    case badHuffman
    case badTableSize
    case misplacedTableSize
}
