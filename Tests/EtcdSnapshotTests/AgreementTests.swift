import EtcdSnapshot
import Testing

@Suite("Verification agrees with etcd's own tools")
struct AgreementTests {
    @Test("all fixtures are there")
    func fixturesAreThere() {
        #expect(Fixture.all.count >= 36)
        #expect(Set(Fixture.all.map(\.name)).isSuperset(of: ["empty-3.4.23", "deep-1k-pages", "stored-freelist"]))
    }

    @Test("hash, revision, key count and size are those of snapshot status", arguments: Fixture.all)
    func status(_ fixture: Fixture) throws {
        let report = try SnapshotVerifier().verify(MemoryBytes(fixture.bytes))
        #expect(report.hash == fixture.expected.status.hash)
        #expect(report.revision == fixture.expected.status.revision)
        #expect(report.totalKeys == fixture.expected.status.totalKey)
        #expect(report.bodySize == fixture.expected.status.totalSize)
        #expect(report.fileSize == UInt64(fixture.bytes.count))
        #expect(report.trailer == .valid)
        #expect(report.pageSize * report.pagesTotal == report.bodySize)
        #expect(report.pagesReachable <= report.pagesTotal)
    }

    @Test("live keys are those the server counted, members those it listed", arguments: Fixture.all)
    func contents(_ fixture: Fixture) throws {
        let report = try SnapshotVerifier().verify(MemoryBytes(fixture.bytes))
        #expect(report.liveKeys == fixture.expected.liveKeys)
        #expect(report.liveRegistryKeys == fixture.expected.liveRegistryKeys)
        #expect(report.kubeSystemUID == fixture.expected.kubeSystemUID)
        #expect(report.isAuthEnabled == fixture.expected.isAuthEnabled ?? false)
        #expect(report.storageVersion == fixture.expected.storageVersion)
        #expect(!report.members.isEmpty)
        if let compacted = fixture.expected.compactedRevision { #expect(report.compactedRevision == compacted) }
        if let members = fixture.expected.members {
            let found = report.members.map {
                Fixture.Expectation.Member(id: $0.id, name: $0.name, peerURLs: $0.peerURLs, isLearner: $0.isLearner)
            }
            #expect(found.sorted { $0.id < $1.id } == members)
        }
        #expect(report.buckets.reduce(0) { $0 + $1.entries } == report.totalKeys)
        #expect(report.buckets.map(\.name).contains("key"))
    }

    @Test("no part of a snapshot is read much more than twice", arguments: Fixture.all)
    func linearReading(_ fixture: Fixture) throws {
        let source = MemoryBytes(fixture.bytes)
        _ = try SnapshotVerifier().verify(source)
        #expect(source.bytesRead <= 2 * source.size + 512 * 1_024)
    }
}
