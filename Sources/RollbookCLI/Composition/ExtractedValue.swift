import ClusterModel
import struct EtcdSnapshot.KubernetesObject
import struct EtcdSnapshot.StoredRevision
import FoundationEssentials

/// A value taken out of a snapshot, and what it is.
struct ExtractedValue {
    /// Forty times what etcd takes by default.
    static let limit = 64 << 20

    let key: String
    let change: StoredRevision
    let object: KubernetesObject
    let bytes: [UInt8]

    /// The kind that the value itself names, also of JSON that is longer than the snapshot reader looks at.
    var kind: String? { object.kind ?? typeMeta?.kind }
    var apiVersion: String? { object.apiVersion ?? typeMeta?.apiVersion }

    private struct TypeMeta: Decodable {
        let apiVersion: String?
        let kind: String?
    }

    private var typeMeta: TypeMeta? {
        guard object.encoding == .json else { return nil }
        return try? JSONDecoder().decode(TypeMeta.self, from: Data(bytes))
    }

    private var encoding: String {
        switch object.encoding {
        case .protobuf: "protobuf"
        case .json: "JSON"
        case .encrypted(let provider): "encrypted at rest by \(provider)"
        case .unknown: "no encoding of Kubernetes"
        }
    }

    /// One line for people.
    var description: String {
        let named = kind.map { kind in "\(kind)\(apiVersion.map { " \($0)" } ?? ""), " } ?? ""
        return "\(key): \(named)\(encoding), \(bytes.count) bytes, revision \(change.revision.main)".escapedOnOneLine
    }

    /// The value with line breaks, where it is JSON; otherwise what it is, and that it is not decoded.
    func readable() throws(OperatorMessage) -> [UInt8] {
        if case .encrypted(let provider) = object.encoding {
            throw OperatorMessage(
                .refused,
                at: key,
                "it is encrypted at rest by \(provider), and only kube-apiserver has the key",
                next: "without --decode it is extracted as it is stored"
            )
        }
        guard object.encoding != .protobuf else {
            let kind = kind.map { "a \($0) (\(apiVersion ?? "no version"))" } ?? "an object"
            throw OperatorMessage(
                .refused,
                at: key,
                "it is \(kind) in protobuf, which is not decoded",
                next: "without --decode it is extracted as it is stored"
            )
        }
        guard let text = JSONIndenter.text(of: bytes) else {
            throw OperatorMessage(
                .refused,
                at: key,
                "it is not JSON",
                next: "without --decode it is extracted as it is stored"
            )
        }
        return Array(text.utf8)
    }

    func json(storedAs out: String?) -> JSONValue {
        .object([
            "v": .integer(1), "key": .string(key), "revision": .integer(change.revision.main),
            "createRevision": .integer(change.createRevision), "version": .integer(change.version),
            "lease": .string(String(UInt64(bitPattern: change.lease), radix: 16)),
            "bytes": .integer(Int64(bytes.count)),
            "encoding": .string(encodingName), "kind": kind.map { .string($0) } ?? .null,
            "apiVersion": apiVersion.map { .string($0) } ?? .null,
            "name": object.name.map { .string($0) } ?? .null,
            "namespace": object.namespace.map { .string($0) } ?? .null,
            "uid": object.uid.map { .string($0) } ?? .null, "storedAs": out.map { .string($0) } ?? .null,
        ])
    }

    private var encodingName: String {
        switch object.encoding {
        case .protobuf: "protobuf"
        case .json: "json"
        case .encrypted: "encrypted"
        case .unknown: "unknown"
        }
    }
}
