/// Names of gRPC status codes (grpc/statuscodes.md), as Envoy's `%GRPC_STATUS%` prints them.
package enum GRPCStatusName {
    /// Both are empty for a number that gRPC does not define.
    package static func names(_ status: Int16) -> (camel: StaticString, snake: StaticString) {
        switch status {
        case 0: ("OK", "OK")
        case 1: ("Canceled", "CANCELLED")
        case 2: ("Unknown", "UNKNOWN")
        case 3: ("InvalidArgument", "INVALID_ARGUMENT")
        case 4: ("DeadlineExceeded", "DEADLINE_EXCEEDED")
        case 5: ("NotFound", "NOT_FOUND")
        case 6: ("AlreadyExists", "ALREADY_EXISTS")
        case 7: ("PermissionDenied", "PERMISSION_DENIED")
        case 8: ("ResourceExhausted", "RESOURCE_EXHAUSTED")
        case 9: ("FailedPrecondition", "FAILED_PRECONDITION")
        case 10: ("Aborted", "ABORTED")
        case 11: ("OutOfRange", "OUT_OF_RANGE")
        case 12: ("Unimplemented", "UNIMPLEMENTED")
        case 13: ("Internal", "INTERNAL")
        case 14: ("Unavailable", "UNAVAILABLE")
        case 15: ("DataLoss", "DATA_LOSS")
        case 16: ("Unauthenticated", "UNAUTHENTICATED")
        default: ("", "")
        }
    }
}
