@testable import BackupStore
import ClusterModel
import FoundationEssentials
import Glibc
import Synchronization
import Testing

@Suite("Publication of backup sets")
struct PublicationTests {
    let sandbox: Sandbox

    init() throws { sandbox = try Sandbox() }

    @Test("a published set is listed, verifies, and is what its manifest says")
    func publishes() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        let published = try await ClusterSupply.publish(id, in: store)
        let catalogue = try store.catalogue()
        #expect(catalogue.sets.map(\.id) == [id])
        #expect(catalogue.problems.isEmpty && catalogue.staging.isEmpty)
        #expect(catalogue.sets[0].isGood && catalogue.sets[0].revision == 7)
        #expect(try store.manifest(of: id).manifest == published.manifest)
        #expect(try store.manifest(of: id).sha256 == published.manifestSHA256)
        let report = try await store.verify(id, level: 2)
        #expect(report.reached == 2 && report.findings.isEmpty)
    }

    @Test("sha256sum -c accepts the set without Rollbook")
    func sumsByHand() async throws {
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: try sandbox.store())
        let child = ChildProcess(
            program: "/usr/bin/sha256sum",
            arguments: ["--strict", "-c", "SHA256SUMS"],
            directory: sandbox.place(id.text)
        )
        let result = try await child.run(time: TestTime())
        #expect(result.exitCode == 0)
        #expect(result.output == "manifest.json: OK\netcd/master1.db: OK\n")
    }

    @Test("nothing in the store is open to others, whatever the umask (S7)")
    func modes() async throws {
        let before = umask(0)
        defer { umask(before) }
        let store = try sandbox.store()
        try await ClusterSupply.publish(ClusterSupply.id(1), in: store)
        try await ClusterSupply.publish(ClusterSupply.id(2), in: store)
        try store.pin(ClusterSupply.id(1), reason: "before the upgrade")
        try store.noteVerified(ClusterSupply.id(1), level: 3, at: ClusterSupply.start)
        try store.markBad(ClusterSupply.id(2), reason: "test", findings: [], at: ClusterSupply.start)
        var seen = 0
        for relative in try FileManager.default.subpathsOfDirectory(atPath: sandbox.path) {
            var status = stat()
            let path = sandbox.path + "/" + relative
            try #require(unsafe lstat(path, &status) == 0)
            #expect(status.st_mode & 0o077 == 0, "\(path)")
            seen += 1
        }
        #expect(seen > 12)
    }

    @Test("an id that is taken is never overwritten (B14)")
    func neverOverwrites() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        let first = try await ClusterSupply.publish(id, in: store)
        #expect(throws: BackupError.alreadyExists(sandbox.place(id.text))) { try store.beginStaging(id) }
        // Even a set that was in staging before the other one was published loses the race, and keeps its files.
        let other = ClusterSupply.id(2)
        let staged = try store.beginStaging(other)
        try ClusterSupply.write(
            TrailerChecker.snapshot(pages: 1, seed: 2),
            as: .snapshot(of: ClusterSupply.master1),
            to: staged
        )
        let file = try await staged.seal(.snapshot(of: ClusterSupply.master1), with: nil, time: TestTime())
        try FileManager.default.copyItem(atPath: sandbox.place(id.text), toPath: sandbox.place(other.text))
        let snapshot = StoredSnapshot(
            host: ClusterSupply.master1,
            member: "1",
            file: file,
            facts: TrailerChecker().facts
        )
        #expect(throws: BackupError.alreadyExists(sandbox.place(other.text))) {
            try staged.publish(ClusterSupply.manifest(other, snapshots: [snapshot]))
        }
        #expect(try store.manifest(of: id).sha256 == first.manifestSHA256)
    }

    @Test("two processes cannot make one set")
    func stagingIsExclusive() throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        let staged = try store.beginStaging(id)
        #expect(throws: BackupError.self) { try store.beginStaging(id) }
        #expect(throws: BackupError.busy(id.text)) { try store.recover(id) }
        try staged.discard()
        #expect(try store.catalogue().staging.isEmpty)
    }

    @Test("bytes that are not those the host hashed get no name")
    func transferIsCompared() throws {
        let staged = try sandbox.store().beginStaging(ClusterSupply.id())
        let file = try staged.create(.snapshot(of: ClusterSupply.master1))
        try ClusterSupply.append([1, 2, 3], to: file)
        let error = #expect(throws: BackupError.self) { try file.finish(expecting: FileDigest(of: [1, 2, 4])) }
        #expect(error?.code == .integrity)
        #expect(!sandbox.exists(".staging/\(ClusterSupply.id())/etcd/master1.db"))
    }

    @Test("a manifest that does not name exactly the sealed files is not published")
    func manifestMustMatch() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        let staged = try store.beginStaging(id)
        let name = BackupFileName.snapshot(of: ClusterSupply.master1)
        try ClusterSupply.write(TrailerChecker.snapshot(pages: 2, seed: 3), as: name, to: staged)
        #expect(throws: BackupError.self) { try staged.publish(ClusterSupply.manifest(id)) }
        let file = try await staged.seal(name, with: nil, time: TestTime())
        let snapshot = StoredSnapshot(
            host: ClusterSupply.master1,
            member: "1",
            file: file,
            facts: TrailerChecker().facts
        )
        #expect(throws: BackupError.self) { try staged.publish(ClusterSupply.manifest(id)) }
        var secret = BackupPolicy()
        secret.encryption = .required
        #expect(throws: BackupError.self) {
            try staged.publish(ClusterSupply.manifest(id, policy: secret, snapshots: [snapshot]))
        }
        let partial = BackupResult(.partial, reasons: [])
        #expect(throws: BackupError.self) {
            try staged.publish(ClusterSupply.manifest(id, snapshots: [snapshot], result: partial))
        }
        #expect(try store.catalogue().sets.isEmpty)
        _ = try staged.publish(ClusterSupply.manifest(id, snapshots: [snapshot]))
        #expect(try store.catalogue().sets.count == 1)
    }

    @Test("a snapshot older than the gate saw, or without keys, is refused")
    func staleSnapshot() throws {
        let staged = try sandbox.store().beginStaging(ClusterSupply.id())
        let name = BackupFileName.snapshot(of: ClusterSupply.master1)
        try ClusterSupply.write(TrailerChecker.snapshot(pages: 2, seed: 3), as: name, to: staged)
        let old = #expect(throws: BackupError.self) {
            try staged.check(snapshot: name, with: TrailerChecker(), minimumRevision: 8)
        }
        #expect(old?.message.description.contains("revision 7, the cluster was at 8") == true)
        let empty = TrailerChecker(
            facts: SnapshotFacts(revision: 1, totalKeys: 0, liveKeys: 0, hash: 0, pageSize: 4096)
        )
        #expect(throws: BackupError.self) { try staged.check(snapshot: name, with: empty) }
    }

    @Test("staging is cleaned only when old, ours by name, and held by nobody (B11)")
    func cleansStaging() throws {
        let store = try sandbox.store()
        let (old, held, young) = (ClusterSupply.id(1), ClusterSupply.id(2), ClusterSupply.id(3, hoursLater: 20))
        for id in [old, young] { _ = try store.beginStaging(id) }
        let holder = try store.beginStaging(held)
        try FileManager.default.createDirectory(
            atPath: sandbox.place(".staging/notes"),
            withIntermediateDirectories: false
        )
        let now = UTCMoment(seconds: ClusterSupply.start.seconds + 25 * 3600)
        #expect(try store.cleanStaging(now: now) == [old])
        #expect(sandbox.exists(".staging/notes"))
        #expect(try store.catalogue().staging == [held, young])
        withExtendedLifetime(holder) {}
    }
}
