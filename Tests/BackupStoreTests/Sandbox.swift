import BackupStore
import ClusterModel
import FoundationEssentials
import Glibc
import Synchronization

/// A private folder that goes away with its last user.
final class Sandbox: Sendable {
    let path: String

    init() throws {
        path = "/tmp/rollbook-backups-\(UInt64.random(in: .min ... .max))"
        guard unsafe mkdir(path, 0o700) == 0 else { throw Failure("cannot make \(path)") }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var root: String { path + "/backups" }
    static let cluster = ClusterSupply.known(ClusterID("prod"))

    func store(hook: @escaping CheckpointHook = { _ in }) throws(BackupError) -> BackupStore {
        try BackupStore(root: root, cluster: Self.cluster, hook: hook)
    }

    /// The path of something in the cluster's folder.
    func place(_ relative: String) -> String { "\(root)/prod/\(relative)" }

    func exists(_ relative: String) -> Bool { FileManager.default.fileExists(atPath: place(relative)) }

    func read(_ relative: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(filePath: place(relative)))) }

    /// Overwrites a file in place, keeping its mode, as a failing disk would.
    func overwrite(_ relative: String, _ bytes: [UInt8]) throws {
        let file = unsafe open(place(relative), O_WRONLY | O_TRUNC)
        defer { close(file) }
        guard file >= 0, unsafe write(file, bytes, bytes.count) == bytes.count else {
            throw Failure("cannot write \(relative)")
        }
    }
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Repeats the same numbers for the same seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A wall clock that stands still over a real monotonic one.
struct TestTime: TimeSource {
    var now = UTCMoment(seconds: 1_795_000_000)
    private let clock = ContinuousClock()
    private let start = ContinuousClock.now

    var uptime: Duration { start.duration(to: clock.now) }
    func sleep(for duration: Duration) async throws { try await clock.sleep(for: duration) }
}

/// Knows the sound snapshots by their SHA-256 trailer and tells the facts it was given.
struct TrailerChecker: SnapshotChecking {
    var facts = SnapshotFacts(revision: 7, totalKeys: 9, liveKeys: 5, hash: 42, pageSize: 4096)

    func check(path: String) throws(SnapshotFault) -> SnapshotFacts {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { throw SnapshotFault("cannot be read") }
        guard data.count % 512 == 32, data.count > 32 else {
            throw SnapshotFault("snapshot is \(data.count) bytes; trailer missing")
        }
        let digest = FileDigest(of: Array(data.dropLast(32))).sha256
        let trailer = data.suffix(32).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        guard digest == trailer else { throw SnapshotFault("its SHA-256 trailer does not match") }
        return facts
    }

    /// A file that this checker takes: random pages and their trailer.
    static func snapshot(pages: Int, seed: UInt64) -> [UInt8] {
        var random = SplitMix64(state: seed)
        let body = (0..<pages * 512).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let digest = FileDigest(of: body).sha256
        let digits = Array(digest)
        let trailer = (0..<32).compactMap { UInt8(String(digits[$0 * 2...$0 * 2 + 1]), radix: 16) }
        return body + trailer
    }
}
