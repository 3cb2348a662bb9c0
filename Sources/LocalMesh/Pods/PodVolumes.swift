import Glibc

/// Turns a pod's volumes into mounts, and writes the files of ConfigMaps and Secrets.
struct PodVolumes {
    /// Folders that must stay visible in every pod: this program, the state, the place where the mesh was started.
    var visible: [String]
    /// The pod's own folder.
    var folder: String
    var data: (PodTemplate.Source) -> [String: String]?
    private(set) var mounts: [PodMount] = []
    /// What was left out, for people.
    private(set) var remarks: [String] = []
    private var layers: [String] = []

    init(visible: [String], folder: String, data: @escaping (PodTemplate.Source) -> [String: String]?) {
        self.visible = visible
        self.folder = folder
        self.data = data
    }

    mutating func add(_ template: PodTemplate) throws(LocalMeshError) {
        for container in template.initContainers + template.containers {
            for mount in container.mounts {
                guard let volume = template.volumes[mount.volume] else { continue }
                try add(mount, volume, wantedBy: "\(template.namespace)/\(template.workload)")
            }
        }
    }

    private mutating func add(_ mount: PodTemplate.Mount, _ volume: PodTemplate.Volume, wantedBy: String)
        throws(LocalMeshError)
    {
        let target = mount.path.hasSuffix("/") && mount.path.count > 1 ? String(mount.path.dropLast()) : mount.path
        guard !visible.contains(where: { $0 == target || $0.hasPrefix("\(target)/") }) else {
            // Its files would hide our own; for an empty folder the host's serves.
            if volume != .empty {
                remarks.append("volume \(mount.volume) is not mounted: \(target) holds files of the mesh")
            }
            return
        }
        var source = "\(folder)/volumes/\(mount.volume)"
        switch volume {
        case .empty: try Files.makeFolder(source)
        case .host(let path): source = path
        case .unsupported(let kind):
            remarks.append("volume \(mount.volume) is not mounted: \(kind) has no meaning here")
            return
        case .files(let reference, let items, let optional):
            guard let values = data(reference) else {
                if optional { return }
                throw .missingReference(kind: reference.kind, name: reference.name, key: nil, wantedBy: wantedBy)
            }
            try Files.makeFolder(source, mode: 0o700)
            for (key, value) in values where items.isEmpty || items[key] != nil {
                let file = "\(source)/\(items[key] ?? key)"
                if let slash = file.lastIndex(of: "/") { try Files.makeFolder(String(file[..<slash]), mode: 0o700) }
                try Files.write(value, to: file, mode: reference.kind == "Secret" ? 0o600 : 0o644)
            }
        }
        if let subPath = mount.subPath { source += "/\(subPath)" }
        place(source, at: target, volume: mount.volume)
    }

    private mutating func place(_ source: String, at target: String, volume: String) {
        if access(target, F_OK) != 0 {
            // The folder is made in a layer over the nearest one that exists, so that the host stays as it is.
            var base = target
            var missing: [String] = []
            while base != "/", access(base, F_OK) != 0 {
                missing.append(base)
                let slash = base.lastIndex(of: "/") ?? base.startIndex
                base = slash == base.startIndex ? "/" : String(base[..<slash])
            }
            guard base != "/", !visible.contains(where: { $0 == base || $0.hasPrefix("\(base)/") }) else {
                remarks.append("volume \(volume) is not mounted: \(target) does not exist here")
                return
            }
            if !layers.contains(base) {
                layers.append(base)
                let store = "\(folder)/layer\(layers.count)"
                mounts += [
                    .folder(store), .memory(target: store), .folder("\(store)/up"), .folder("\(store)/work"),
                    .overlay(target: base, store: store),
                ]
            }
            mounts += missing.reversed().map { PodMount.folder($0) }
            if !Self.isFolder(source) {
                mounts.removeLast()
                mounts.append(.file(target))
            }
        }
        mounts.append(.bind(source: source, target: target))
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
