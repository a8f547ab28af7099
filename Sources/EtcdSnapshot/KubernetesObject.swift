import FoundationEssentials

/// The little of a stored Kubernetes object that identifies it; the rest is not decoded.
///
/// kube-apiserver stores an object as protobuf behind the mark "k8s\0" (runtime.Unknown with TypeMeta and the raw object, whose
/// field 1 is ObjectMeta), as JSON (custom resources), or encrypted behind "k8s:enc:" (apimachinery runtime/generated.proto,
/// meta/v1/generated.proto; apiserver storage/value/encrypt).
package struct KubernetesObject: Codable, Sendable, Hashable {
    package enum Encoding: Codable, Sendable, Hashable {
        case protobuf, json, unknown
        /// Encrypted at rest by the named provider, such as "aescbc" or "kms": a restore needs its keys too.
        case encrypted(provider: String)
    }

    package private(set) var encoding: Encoding = .unknown
    package private(set) var apiVersion: String?
    package private(set) var kind: String?
    package private(set) var name: String?
    package private(set) var namespace: String?
    package private(set) var uid: String?

    private static let protobufMark: [UInt8] = Array("k8s\u{0}".utf8)
    private static let encryptedMark: [UInt8] = Array("k8s:enc:".utf8)
    private static let longestText = 1_024

    /// Reads the object at `range`; what cannot be decoded stays nil and is no error, as etcd does not know the format either.
    init(_ range: FileRange, _ window: inout ByteWindow) throws(SnapshotProblem) {
        let count = min(range.count, ByteWindow.capacity)
        let index = try window.load(count, at: range.offset)
        let head = window.buffer[index..<(index + count)]
        if window.buffer.span.extracting(index..<(index + count)).starts(with: Self.protobufMark, at: 0) {
            encoding = .protobuf
            let start = UInt64(Self.protobufMark.count)
            try readUnknown(FileRange(offset: range.offset + start, count: range.count - Int(start)), &window)
        } else if head.starts(with: Self.encryptedMark) {
            let provider = head.dropFirst(Self.encryptedMark.count).prefix(32).prefix { $0 != UInt8(ascii: ":") }
            encoding = .encrypted(provider: String(decoding: provider, as: UTF8.self))
        } else if head.first == UInt8(ascii: "{") {
            encoding = .json
            if count == range.count { readJSON(Data(head)) }
        }
    }

    private mutating func readUnknown(_ message: FileRange, _ window: inout ByteWindow) throws(SnapshotProblem) {
        var cursor = ProtobufCursor(message)
        while let field = try cursor.next(&window) {
            switch field {
            case .bytes(number: 1, let typeMeta):
                var inner = ProtobufCursor(typeMeta)
                while let field = try inner.next(&window) {
                    guard case .bytes(let number, let range) = field else { continue }
                    if number == 1 { apiVersion = try Self.text(range, &window) }
                    if number == 2 { kind = try Self.text(range, &window) }
                }
            case .bytes(number: 2, let object):
                try readMetadata(ofObject: object, &window)
            default: break
            }
        }
    }

    private mutating func readMetadata(
        ofObject object: FileRange,
        _ window: inout ByteWindow
    ) throws(SnapshotProblem) {
        var cursor = ProtobufCursor(object)
        guard case .bytes(number: 1, let metadata)? = try cursor.next(&window) else { return }
        var inner = ProtobufCursor(metadata)
        while let field = try inner.next(&window) {
            guard case .bytes(let number, let range) = field else { continue }
            switch number {
            case 1: name = try Self.text(range, &window)
            case 3: namespace = try Self.text(range, &window)
            case 5: uid = try Self.text(range, &window)
            default: break
            }
        }
    }

    private static func text(_ range: FileRange, _ window: inout ByteWindow) throws(SnapshotProblem) -> String? {
        guard range.count > 0, range.count <= longestText else { return nil }
        let index = try window.load(range.count, at: range.offset)
        return String(validating: window.buffer[index..<(index + range.count)], as: UTF8.self)
    }

    private struct StoredJSON: Decodable {
        struct Metadata: Decodable {
            let name: String?
            let namespace: String?
            let uid: String?
        }
        let apiVersion: String?
        let kind: String?
        let metadata: Metadata?
    }

    private mutating func readJSON(_ data: Data) {
        guard let stored = try? JSONDecoder().decode(StoredJSON.self, from: data) else { return }
        apiVersion = stored.apiVersion
        kind = stored.kind
        name = stored.metadata?.name
        namespace = stored.metadata?.namespace
        uid = stored.metadata?.uid
    }
}
