import FoundationEssentials
@testable import EtcdSnapshot
import Testing

@Suite("The parts of the verifier")
struct PartsTests {
    @Test("CRC-32C gives the known answers")
    func crc() {
        // RFC 3720, B.4, and the check value of the catalogue of parametrised CRC algorithms.
        let cases: [([UInt8], UInt32)] = [
            ([], 0), (Array("123456789".utf8), 0xe306_9283), ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
            ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43), ((0..<32).map { UInt8($0) }, 0x46dd_794e),
        ]
        for (bytes, expected) in cases {
            var crc = CRC32C()
            crc.update(bytes.span)
            #expect(crc.value == expected)
        }
    }

    @Test("CRC-32C does not depend on how the bytes are cut")
    func crcPieces() {
        var random = SplitMix64(seed: 4)
        let bytes = (0..<1_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        var whole = CRC32C()
        whole.update(bytes.span)
        for _ in 0..<50 {
            var pieces = CRC32C()
            var at = 0
            while at < bytes.count {
                let end = min(bytes.count, at + Int.random(in: 0...40, using: &random))
                pieces.update(bytes.span.extracting(at..<end))
                at = end
            }
            #expect(pieces.value == whole.value)
        }
    }

    @Test("FNV-1a gives the known answers")
    func fnv() {
        // From the test vectors of draft-eastlake-fnv.
        for (text, expected) in [
            ("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8),
        ] as [(String, UInt64)] {
            let bytes = Array(text.utf8)
            let hash = fnv1a64(bytes.span)
            #expect(hash == expected)
        }
    }

    @Test("bytes sort as etcd sorts them")
    func byteOrder() {
        let sorted: [[UInt8]] = [[], [0], [0, 0], [0, 1], [1], [0x7f], [0x80], [0xff], [0xff, 0]]
        for (leftIndex, left) in sorted.enumerated() {
            for (rightIndex, right) in sorted.enumerated() {
                let precedes = left.span.precedes(right.span)
                #expect(precedes == (leftIndex < rightIndex))
            }
        }
    }

    @Test("keys counted in many partitions add up to those counted in one", arguments: [1, 2, 7])
    func partitions(_ partitions: Int) throws {
        let bytes = try Fixture("pages-1k").bytes
        let source = MemoryBytes(bytes)
        var window = ByteWindow(over: source, limit: source.size - 32)
        let layout = try DatabaseLayout(&window, exact: true)
        var total = 0
        var marked = 0
        for partition in 0..<partitions {
            var walker = TreeWalker(layout, freelist: nil, window: window)
            let bucket = try #require(try walker.buckets().first { $0.name == "key" })
            var count = LiveKeyCount(registryPrefix: "/registry/", partition: partition, of: partitions)
            try walker.walk(bucket, &count)
            total += count.live.count
            marked += count.live.markedCount
        }
        #expect(total == 548)
        #expect(marked == 548)
    }

    @Test("a full set of keys gives up instead of growing")
    func boundedSet() {
        var keys = KeyFingerprints(limit: 1_000)
        for number in 0..<1_000 { _ = keys.insert(UInt64(number) * 2) }
        #expect(keys.isComplete && keys.count == 1_000)
        let inserted = keys.insert(1)
        #expect(!inserted)
        #expect(!keys.isComplete && keys.count == 0)
        #expect(KeyFingerprints.partitions(forKeys: KeyFingerprints.defaultLimit) == 2)
    }

    @Test("a window refuses what lies beyond its limit and never reads more than it holds")
    func window() throws {
        let source = MemoryBytes([UInt8](repeating: 7, count: 1_000_000))
        var window = ByteWindow(over: source, limit: 900_000)
        let index = try window.load(10, at: 899_990)
        #expect(index == 0)
        for (count, offset) in [(10, 899_991), (1, 900_000), (ByteWindow.capacity + 1, 0), (1, UInt64.max)]
            as [(Int, UInt64)]
        {
            #expect(throws: SnapshotProblem.self) { try window.load(count, at: offset) }
        }
        var copy: [UInt8] = []
        try window.copy(600_000, at: 100, into: &copy)
        #expect(copy.count == 600_000)
        window.expect(through: .max)
        let before = source.bytesRead
        _ = try window.load(1, at: 0)
        #expect(source.bytesRead - before == UInt64(ByteWindow.capacity))
    }

    @Test("a report survives JSON")
    func reportCoding() throws {
        let report = try SnapshotVerifier().verify(MemoryBytes(Fixture("members-3.5.16").bytes))
        let copy = try JSONDecoder().decode(SnapshotReport.self, from: JSONEncoder().encode(report))
        #expect(copy == report)
    }
}

@Suite("Snapshots in files")
struct SnapshotFileTests {
    private func path(_ name: String) -> String {
        URL(filePath: Fixture.folder).appending(path: name).path
    }

    @Test("a file is verified as its bytes are")
    func file() throws {
        let report = try SnapshotVerifier().verify(path: path("kubernetes-3.5.16.db"))
        #expect(try report == SnapshotVerifier().verify(MemoryBytes(Fixture("kubernetes-3.5.16").bytes)))
    }

    @Test("what is no regular file is refused with its reason")
    func unreadable() {
        for (path, reason) in [
            (path("missing.db"), "no such file"), (Fixture.folder, "it is not a regular file"),
            ("/dev/zero", "it is not a regular file"),
        ] {
            let found = #expect(throws: SnapshotProblem.self) { try SnapshotVerifier().verify(path: path) }
            #expect(found?.fault == .unreadable(SnapshotReadFailure(reason: reason)))
            #expect(found?.description == "the snapshot cannot be read: \(reason)")
        }
    }

    @Test("a file that is cut or written while it is open is noticed")
    func changed() throws {
        let copy = FileManager.default.temporaryDirectory.appending(path: "snapshot-\(UUID().uuidString).db")
        defer { try? FileManager.default.removeItem(at: copy) }
        try Data(Fixture("empty-3.5.16").bytes).write(to: copy)
        let file = try SnapshotFile(path: copy.path)
        #expect(try file.isUnchanged())
        try Data([1, 2, 3]).write(to: copy)
        #expect(try !file.isUnchanged())
        let found = #expect(throws: SnapshotProblem.self) { try SnapshotVerifier().verify(file) }
        #expect(found?.fault == .changedWhileRead || found?.condemnsTheFile == false)
    }
}
