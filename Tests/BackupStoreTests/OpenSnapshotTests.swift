@testable import BackupStore
import ClusterModel
import EtcdSnapshot
import FoundationEssentials
import Testing

@Suite("Opening a snapshot of a set")
struct OpenSnapshotTests {
    let sandbox: Sandbox
    private let bytes = TrailerChecker.snapshot(pages: 300, seed: 9)

    init() throws { sandbox = try Sandbox() }

    private func access(host: String? = nil, key: String? = nil) throws -> SnapshotAccess {
        var path: String?
        if let key {
            path = sandbox.path + "/key.txt"
            try Directory.root(at: sandbox.path, create: false).writeFile("key.txt", Array((key + "\n").utf8))
        }
        return SnapshotAccess(
            host: host.map { ClusterSupply.known(HostName($0)) },
            identity: path,
            scratch: ClusterSupply.id(77),
            time: TestTime()
        )
    }

    /// Publishes a set with one snapshot a host, the second host's of the higher revision.
    private func publish(_ id: BackupID, encrypted: Bool) async throws {
        let staged = try sandbox.store().beginStaging(id)
        var snapshots: [StoredSnapshot] = []
        for (host, revision) in [("master1", Int64(7)), ("master2", 8)] {
            let host = ClusterSupply.known(HostName(host))
            let name = BackupFileName.snapshot(of: host)
            try ClusterSupply.write(host == ClusterSupply.master1 ? bytes : bytes.reversed(), as: name, to: staged)
            let encryption = encrypted ? try await AgeKeys.encryption() : nil
            let file = try await staged.seal(name, with: encryption, time: TestTime())
            let facts = SnapshotFacts(revision: revision, totalKeys: 9, liveKeys: 5, hash: 42, pageSize: 4096)
            snapshots.append(StoredSnapshot(host: host, member: "1", file: file, facts: facts))
        }
        _ = try staged.publish(
            ClusterSupply.manifest(
                id,
                policy: encrypted ? AgeKeys.policy : BackupPolicy(),
                snapshots: snapshots,
                recipients: encrypted ? [AgeKeys.recipient] : []
            )
        )
    }

    private func contents(_ opened: OpenSnapshot) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: Int(opened.file.size))
        try opened.file.read(buffer.count, at: 0, into: &buffer)
        return buffer
    }

    @Test("it is the one a restore would choose, or that of the host asked for", arguments: [false, true])
    func choice(encrypted: Bool) async throws {
        let id = ClusterSupply.id()
        try await publish(id, encrypted: encrypted)
        let key = encrypted ? AgeKeys.identity : nil
        let best = try await sandbox.store().openSnapshot(of: id, access(key: key))
        #expect(best.snapshot.host.text == "master2" && best.manifest.id == id)
        #expect(try contents(best) == bytes.reversed())
        let first = try await sandbox.store().openSnapshot(of: id, access(host: "master1", key: key))
        #expect(try contents(first) == bytes)
    }

    @Test("while a decrypted copy is open no name leads to it, and no folder is left")
    func nameless() async throws {
        let id = ClusterSupply.id()
        try await publish(id, encrypted: true)
        let opened = try await sandbox.store().openSnapshot(of: id, access(key: AgeKeys.identity))
        #expect(try FileManager.default.subpathsOfDirectory(atPath: sandbox.place(".staging")).isEmpty)
        #expect(
            try FileManager.default.subpathsOfDirectory(atPath: sandbox.place(id.text)).sorted() == [
                "SHA256SUMS", "etcd", "etcd/master1.db.age", "etcd/master2.db.age", "manifest.json",
            ]
        )
        #expect(try contents(opened).count == bytes.count && opened.file.isUnchanged())
    }

    @Test("a host without a snapshot, a missing key and a wrong one each say what is the matter")
    func refusals() async throws {
        let id = ClusterSupply.id()
        try await publish(id, encrypted: true)
        func error(_ access: SnapshotAccess) async -> BackupError? {
            await #expect(throws: BackupError.self) { try await sandbox.store().openSnapshot(of: id, access) }
        }
        let other = await error(try access(host: "master9"))
        #expect(other?.code == .usage && other?.message.event.contains("it has: master1, master2") == true)
        #expect(await error(try access()) == .identityNeeded(id.text))
        var nowhere = try access()
        nowhere.identity = sandbox.path + "/nowhere.txt"
        #expect(await error(nowhere) == .noIdentity(sandbox.path + "/nowhere.txt"))
        let wrong = "AGE-SECRET-KEY-1M26L6HKCC064E8VNPASYK3LSMXDDZHLNMH6Q3PQUZ825QM2GVVZQUEE9E7"
        #expect(await error(try access(key: wrong))?.code == .stepFailed)
        #expect(try FileManager.default.subpathsOfDirectory(atPath: sandbox.place(".staging")).isEmpty)
    }

    @Test("a damaged ciphertext is the set's fault")
    func damaged() async throws {
        let id = ClusterSupply.id()
        try await publish(id, encrypted: true)
        var cipher = try sandbox.read("\(id)/etcd/master2.db.age")
        cipher[cipher.count / 2] ^= 1
        try sandbox.overwrite("\(id)/etcd/master2.db.age", cipher)
        let error = await #expect(throws: BackupError.self) {
            try await sandbox.store().openSnapshot(of: id, access(key: AgeKeys.identity))
        }
        #expect(error?.code == .integrity)
    }
}
