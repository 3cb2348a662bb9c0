import EventLoop
import XDS

/// Strings in the small JSON documents that are written by hand here.
enum JSONText {
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }

    /// envoy.config.core.v3.Address.
    static func address(_ address: Envoy_Config_Core_V3_Address) -> String {
        switch address.address {
        case .socketAddress(let socket)?:
            "{\"socket_address\":{\"address\":\(quoted(socket.address)),\"port_value\":\(socket.portValue)}}"
        case .pipe(let pipe)?: "{\"pipe\":{\"path\":\(quoted(pipe.path))}}"
        case nil: "{}"
        }
    }

    static func address(_ address: SocketAddress) -> String {
        switch address {
        case .ip(let ip, let port):
            "{\"socket_address\":{\"address\":\(quoted("\(ip)")),\"port_value\":\(port)}}"
        case .path(let path): "{\"pipe\":{\"path\":\(quoted(path))}}"
        }
    }
}
