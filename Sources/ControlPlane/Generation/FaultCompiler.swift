import MeshAPI
import XDS

enum FaultCompiler {
    static func fault(_ injection: HTTPFaultInjection) -> Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault {
        var fault = Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault()
        if let delay = injection.delay, let time = delay.fixedDelay {
            fault.delay.fixedDelay = .init(time)
            fault.delay.percentage = .init(percent: delay.percentage)
        }
        if let abort = injection.abort {
            switch abort.failure {
            case .httpStatus(let status): fault.abort.httpStatus = UInt32(clamping: status)
            case .grpcStatus(let name):
                let number = HTTPFaultInjection.Abort.grpcStatuses.firstIndex(of: name) ?? 2
                fault.abort.grpcStatus = UInt32(clamping: number)
            }
            fault.abort.percentage = .init(percent: abort.percentage)
        }
        return fault
    }
}
