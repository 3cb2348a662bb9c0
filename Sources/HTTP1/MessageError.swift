/// Why a message is refused. `detail` is what an operator reads in the access log.
package enum MessageError: UInt8, Error, Sendable, CaseIterable {
    case badMethod, badTarget, badVersion, unsupportedVersion, http2Preface
    case badFieldName, badFieldValue, spaceBeforeColon, folding, bareLineFeed
    case missingHost, duplicateHost, badHost
    case badContentLength, duplicateContentLength, transferEncodingWithContentLength
    case badTransferEncoding, unsupportedTransferEncoding, transferEncodingInHTTP10
    case headTooLarge, tooManyFields
    case badStatusLine
    case badChunkSize, badChunkExtension, badChunkEnd, badTrailer, forbiddenTrailer, trailersTooLarge

    /// The status to answer a request with.
    package var status: UInt16 {
        switch self {
        case .unsupportedVersion, .http2Preface: 505
        case .unsupportedTransferEncoding: 501
        case .headTooLarge, .tooManyFields, .trailersTooLarge: 431
        default: 400
        }
    }

    package var detail: StaticString {
        switch self {
        case .badMethod: "http1.bad_method"
        case .badTarget: "http1.bad_target"
        case .badVersion: "http1.bad_version"
        case .unsupportedVersion: "http1.unsupported_version"
        case .http2Preface: "http1.http2_preface"
        case .badFieldName: "http1.bad_field_name"
        case .badFieldValue: "http1.bad_field_value"
        case .spaceBeforeColon: "http1.space_before_colon"
        case .folding: "http1.folded_field"
        case .bareLineFeed: "http1.bare_line_feed"
        case .missingHost: "http1.missing_host"
        case .duplicateHost: "http1.duplicate_host"
        case .badHost: "http1.bad_host"
        case .badContentLength: "http1.bad_content_length"
        case .duplicateContentLength: "http1.duplicate_content_length"
        case .transferEncodingWithContentLength: "http1.content_length_and_chunked_not_allowed"
        case .badTransferEncoding: "http1.bad_transfer_encoding"
        case .unsupportedTransferEncoding: "http1.invalid_transfer_encoding"
        case .transferEncodingInHTTP10: "http1.transfer_encoding_in_http_1_0"
        case .headTooLarge: "http1.headers_too_large"
        case .tooManyFields: "http1.too_many_headers"
        case .badStatusLine: "http1.bad_status_line"
        case .badChunkSize: "http1.bad_chunk_size"
        case .badChunkExtension: "http1.bad_chunk_extension"
        case .badChunkEnd: "http1.bad_chunk_end"
        case .badTrailer: "http1.bad_trailer"
        case .forbiddenTrailer: "http1.forbidden_trailer"
        case .trailersTooLarge: "http1.trailers_too_large"
        }
    }
}
