import EtcdSnapshot
import FoundationEssentials
import Testing

/// A snapshot made by a real etcd, and what the real tools say about it.
struct Fixture: Sendable, CustomTestStringConvertible {
    struct Expectation: Decodable, Sendable {
        struct Status: Decodable, Sendable {
            let hash: UInt32
            let revision: Int64
            let totalKey: Int
            let totalSize: UInt64
        }
        struct Member: Decodable, Sendable, Equatable {
            let id: UInt64
            let name: String
            let peerURLs: [String]
            let isLearner: Bool
        }
        let status: Status
        let liveKeys: Int
        let liveRegistryKeys: Int
        let kubeSystemUID: String?
        let compactedRevision: Int64?
        let storageVersion: String?
        let isAuthEnabled: Bool?
        let members: [Member]?
    }

    let name: String
    let expected: Expectation
    let bytes: [UInt8]

    var testDescription: String { name }

    static let all: [Fixture] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { try? Fixture(String($0.dropLast(5))) }
    }()

    /// Those that are small enough to be verified thousands of times in a debug build.
    static let small = all.filter { $0.bytes.count < 25_000 }

    static var folder: String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures").path
    }

    init(_ name: String) throws {
        self.name = name
        let file = URL(filePath: Self.folder).appending(path: name)
        bytes = try Self.load("\(name).db")
        expected = try JSONDecoder().decode(
            Expectation.self,
            from: Data(contentsOf: file.appendingPathExtension("json"))
        )
    }

    static func load(_ file: String) throws -> [UInt8] {
        try [UInt8](Data(contentsOf: URL(filePath: folder).appending(path: file)))
    }
}
