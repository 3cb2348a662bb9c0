import SwiftProtobuf
import Telemetry
import XDS

extension AccessLogFormatSpec {
    /// envoy.config.core.v3.SubstitutionFormatString; nil, with an issue, when it cannot be honoured.
    init?(_ message: Envoy_Config_Core_V3_SubstitutionFormatString, path: String, issues: inout [CompileIssue]) {
        let body: Body
        switch message.format {
        case .textFormat(let text): body = .text(text)
        case .jsonFormat(let object): body = .json(Self.members(object))
        case .textFormatSource(let source):
            switch source.specifier {
            case .inlineString(let text): body = .text(text)
            case .inlineBytes(let bytes): body = .text(String(decoding: bytes, as: UTF8.self))
            default:
                issues.append(
                    CompileIssue(
                        path: path + ".text_format_source", message: "only inline_string and inline_bytes are supported"
                    ))
                return nil
            }
        case nil:
            issues.append(CompileIssue(path: path, message: "needs text_format or json_format"))
            return nil
        }
        self.init(body, omitsEmptyValues: message.omitEmptyValues)
    }

    /// A Struct has no order of its own: members are written sorted by key, as Envoy does.
    private static func members(_ object: Google_Protobuf_Struct) -> [Member] {
        object.fields.sorted { $0.key < $1.key }.map { Member($0.key, template($0.value)) }
    }

    private static func template(_ value: Google_Protobuf_Value) -> Template {
        switch value.kind {
        case .stringValue(let text): .text(text)
        case .numberValue(let number): .number(number)
        case .boolValue(let flag): .bool(flag)
        case .structValue(let object): .object(members(object))
        case .listValue(let list): .array(list.values.map(template))
        case .nullValue, nil: .null
        }
    }
}
