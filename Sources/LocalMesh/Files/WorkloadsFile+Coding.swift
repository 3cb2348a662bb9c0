/// The file's own form: a place is spread over the workload's fields.
extension WorkloadsFile.Workload {
    private enum Key: String, CodingKey {
        case name, namespace, ip, workload, labels, serviceAccount, ports, ready, sidecar, kind, annotations
        case locality, weight, servicePorts
    }

    private struct Locality: Codable {
        var region: String
        var zone: String
        var subzone: String
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(name, forKey: .name)
        try values.encode(namespace, forKey: .namespace)
        try values.encode(ip, forKey: .ip)
        try values.encode(workload, forKey: .workload)
        try values.encode(labels, forKey: .labels)
        try values.encode(serviceAccount, forKey: .serviceAccount)
        try values.encode(ports, forKey: .ports)
        try values.encode(ready, forKey: .ready)
        try values.encode(sidecar, forKey: .sidecar)
        try values.encode(kind, forKey: .kind)
        try values.encodeIfPresent(annotations, forKey: .annotations)
        guard let place else { return }
        if let text = place.locality {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init) + ["", "", ""]
            try values.encode(Locality(region: parts[0], zone: parts[1], subzone: parts[2]), forKey: .locality)
        }
        try values.encodeIfPresent(place.weight, forKey: .weight)
        if !place.servicePorts.isEmpty { try values.encode(place.servicePorts, forKey: .servicePorts) }
    }
}
