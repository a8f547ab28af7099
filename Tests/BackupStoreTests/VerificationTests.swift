@testable import BackupStore
import ClusterModel
import FoundationEssentials
import Testing

@Suite("Verification, levels 0 to 2")
struct VerificationTests {
    let sandbox: Sandbox
    let store: BackupStore
    let id = ClusterSupply.id()

    init() throws {
        sandbox = try Sandbox()
        store = try sandbox.store()
    }

    private func stage(_ bytes: [UInt8]) throws -> (StagedBackup, BackupFileName) {
        let staged = try store.beginStaging(id)
        let name = BackupFileName.snapshot(of: ClusterSupply.master1)
        try ClusterSupply.write(bytes, as: name, to: staged)
        return (staged, name)
    }

    @Test("a snapshot cut anywhere is refused, kept in quarantine, and the earlier backup stays (K03)")
    func cut() async throws {
        try await ClusterSupply.publish(ClusterSupply.id(7), in: store)
        let whole = TrailerChecker.snapshot(pages: 8, seed: 1)
        var random = SplitMix64(state: 3)
        for _ in 0..<200 {
            let (staged, name) = try stage(Array(whole.prefix(Int(random.next() % UInt64(whole.count)))))
            let error = #expect(throws: BackupError.self) { try staged.check(snapshot: name, with: TrailerChecker()) }
            #expect(error?.code == .integrity)
            try staged.discard()
        }
        let (staged, name) = try stage(Array(whole.prefix(1000)))
        let error = #expect(throws: BackupError.self) { try staged.check(snapshot: name, with: TrailerChecker()) }
        let message = try #require(error?.message)
        #expect(message.description.contains("snapshot is 1000 bytes; trailer missing"))
        try await staged.quarantine(
            reason: message.event,
            findings: [],
            at: ClusterSupply.start,
            encryption: nil,
            time: TestTime()
        )
        let catalogue = try store.catalogue()
        #expect(catalogue.quarantined == [id] && catalogue.sets.map(\.id) == [ClusterSupply.id(7)])
        #expect(try sandbox.read("quarantine/\(id)/etcd/master1.db").count == 1000)
        #expect(
            String(decoding: try sandbox.read("quarantine/\(id)/reason.json"), as: UTF8.self).contains("1000 bytes")
        )
    }

    @Test("quarantine holds no plain text where encryption is asked for")
    func quarantineEncrypts() async throws {
        let (staged, _) = try stage([1, 2, 3])
        let extra = try staged.create(.archive(of: ClusterSupply.balancer))
        try ClusterSupply.append([9], to: extra)
        let encryption = try await AgeKeys.encryption()
        try await staged.quarantine(
            reason: "test",
            findings: [],
            at: ClusterSupply.start,
            encryption: encryption,
            time: TestTime()
        )
        let names = try FileManager.default.subpathsOfDirectory(atPath: sandbox.place("quarantine/\(id)")).sorted()
        #expect(names == ["etcd", "etcd/master1.db.age", "hosts", "reason.json"])
    }

    @Test("one changed byte of a published file is always found (K04, goal 11)")
    func flips() async throws {
        try await ClusterSupply.publish(id, in: store, snapshot: TrailerChecker.snapshot(pages: 2, seed: 4))
        let whole = try sandbox.read("\(id)/etcd/master1.db")
        var random = SplitMix64(state: 5)
        let reader = SetReader(try store.published(id), id: id, cluster: Sandbox.cluster)
        let (manifest, digest) = try reader.manifest()
        for _ in 0..<1000 {
            var bytes = whole
            bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 << (random.next() % 8))
            try sandbox.overwrite("\(id)/etcd/master1.db", bytes)
            #expect(try reader.findings(manifest, digest, level: 1).map(\.level) == [1])
        }
        try sandbox.overwrite("\(id)/etcd/master1.db", whole)
        #expect(try await store.verify(id, level: 1).reached == 1)
    }

    @Test("one changed byte of the manifest is always found")
    func manifestFlips() async throws {
        try await ClusterSupply.publish(id, in: store)
        let whole = try sandbox.read("\(id)/manifest.json")
        var random = SplitMix64(state: 6)
        for _ in 0..<300 {
            var bytes = whole
            bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 << (random.next() % 8))
            try sandbox.overwrite("\(id)/manifest.json", bytes)
            do throws(BackupError) {
                let report = try await store.verify(id, level: 0)
                #expect(report.reached == nil && !report.findings.isEmpty)
            } catch .newerFormat {
                continue
            }
        }
        try sandbox.overwrite("\(id)/manifest.json", whole)
        #expect(try await store.verify(id, level: 1).reached == 1)
    }

    @Test("missing, longer, shorter and foreign files are found without reading any content")
    func level0() async throws {
        try await ClusterSupply.publish(id, in: store)
        let whole = try sandbox.read("\(id)/etcd/master1.db")
        func findings() async throws -> [String] {
            let report = try await store.verify(id, level: 0)
            #expect(report.reached == (report.findings.isEmpty ? 0 : nil))
            return report.findings.map { "\($0.path) \($0.what)" }
        }
        #expect(try await findings() == [])
        try sandbox.overwrite("\(id)/etcd/master1.db", whole + [0])
        #expect(try await findings() == ["etcd/master1.db has 2081 bytes, want 2080"])
        try FileManager.default.removeItem(atPath: sandbox.place("\(id)/etcd/master1.db"))
        #expect(try await findings() == ["etcd/master1.db is missing"])
        let folder = try store.published(id)
        try folder.subdirectory("etcd").writeFile("master1.db", whole)
        try folder.writeFile("extra", [1])
        try folder.subdirectory("etcd").writeFile("extra.db", [1])
        #expect(try await findings() == ["etcd/extra.db is not part of this set", "extra is not part of this set"])
    }

    @Test("rot found later moves the set to bad, and the last good one is an earlier one (B12)")
    func rot() async throws {
        let older = ClusterSupply.id(1)
        let newer = ClusterSupply.id(2, hoursLater: 24)
        try await ClusterSupply.publish(older, in: store)
        try await ClusterSupply.publish(newer, in: store)
        #expect(try store.catalogue().newestGood?.id == newer)
        var bytes = try sandbox.read("\(newer)/etcd/master1.db")
        bytes[77] ^= 4
        try sandbox.overwrite("\(newer)/etcd/master1.db", bytes)
        let report = try await store.verify(newer, level: 1)
        let error = try #require(report.error)
        #expect(error.code == .integrity && report.reached == 0)
        try store.markBad(newer, reason: error.message.event, findings: report.findings, at: ClusterSupply.start)
        let catalogue = try store.catalogue()
        #expect(catalogue.newestGood?.id == older && catalogue.bad == [newer])
        let reason = String(decoding: try sandbox.read("bad/\(newer)/reason.json"), as: UTF8.self)
        #expect(reason.contains("etcd/master1.db") && reason.contains("SHA-256"))
        let late = UTCMoment(seconds: ClusterSupply.start.seconds + 40 * 86400)
        #expect(try store.cleanSetAside(now: late) == [])
        try await ClusterSupply.publish(ClusterSupply.id(3, hoursLater: 48), in: store)
        #expect(try store.cleanSetAside(now: late) == [newer])
    }

    @Test("a snapshot whose facts are not the manifest's fails level 2")
    func facts() async throws {
        try await ClusterSupply.publish(id, in: store)
        var other = TrailerChecker()
        other.facts.revision = 8
        let report = try await store.verify(id, level: 2, checker: other)
        #expect(report.reached == 1 && report.findings.map(\.level) == [2])
        #expect(try await store.verify(id, level: 2).reached == 2)
    }

    @Test("a backup of another cluster is refused by id, CA or kube-system (K06)")
    func identity() async throws {
        let manifest = try await ClusterSupply.publish(id, in: store).manifest
        let stage = try #require(ClusterID("stage"))
        let ours = manifest.identity
        try store.requireIdentity(manifest, target: Sandbox.cluster, ours)
        try store.requireIdentity(manifest, target: Sandbox.cluster, ClusterIdentity())
        let byID = #expect(throws: BackupError.self) { try store.requireIdentity(manifest, target: stage, ours) }
        #expect(
            byID?.message.description.contains("this backup is of cluster prod (by its cluster id); target is stage")
                == true
        )
        #expect(byID?.code == .integrity)
        let otherCA = ClusterIdentity(
            caFingerprint: String(repeating: "cd", count: 32),
            kubeSystemUID: ours.kubeSystemUID
        )
        #expect(throws: BackupError.self) { try store.requireIdentity(manifest, target: Sandbox.cluster, otherCA) }
        let otherUID = ClusterIdentity(caFingerprint: ours.caFingerprint, kubeSystemUID: "1")
        #expect(throws: BackupError.self) { try store.requireIdentity(manifest, target: Sandbox.cluster, otherUID) }
    }

    @Test("a set copied into another cluster's folder, or renamed, is not listed (K06)")
    func copied() async throws {
        try await ClusterSupply.publish(id, in: store)
        let other = ClusterSupply.id(9)
        try FileManager.default.copyItem(atPath: sandbox.place(id.text), toPath: sandbox.place(other.text))
        let stage = try BackupStore(root: sandbox.root, cluster: ClusterSupply.known(ClusterID("stage")))
        try FileManager.default.copyItem(atPath: sandbox.place(id.text), toPath: sandbox.root + "/stage/" + id.text)
        #expect(try store.catalogue().problems.map(\.what) == ["manifest.json is of set \(id)"])
        #expect(try stage.catalogue().problems.map(\.what) == ["manifest.json is of cluster prod"])
        #expect(try stage.catalogue().sets.isEmpty)
    }

    @Test("folders without a manifest and names that are no ids are reported and left alone")
    func strangers() async throws {
        try await ClusterSupply.publish(id, in: store)
        let empty = ClusterSupply.id(5)
        _ = try store.folder.makeSubdirectory(empty.text, exclusive: true)
        _ = try store.folder.makeSubdirectory("lost+found", exclusive: true)
        let catalogue = try store.catalogue()
        #expect(catalogue.sets.map(\.id) == [id])
        #expect(
            catalogue.problems == [
                .init(name: empty.text, what: "has no manifest.json", isSet: true),
                .init(name: "lost+found", what: "is not the name of a backup", isSet: false),
            ]
        )
    }

    @Test("a manifest of a later format is not touched and says so")
    func newerFormat() async throws {
        try await ClusterSupply.publish(id, in: store)
        let text = String(decoding: try sandbox.read("\(id)/manifest.json"), as: UTF8.self)
        try sandbox.overwrite("\(id)/manifest.json", Array(text.replacing("\"format\":1", with: "\"format\":2").utf8))
        let error = await #expect(throws: BackupError.self) { try await store.verify(id, level: 0) }
        #expect(error == .newerFormat(id.text, format: 2))
        #expect(try store.catalogue().problems.map(\.isSet) == [true])
    }

    @Test("later verifications raise the level; a damaged note of them is ignored")
    func notes() async throws {
        try await ClusterSupply.publish(id, in: store)
        try store.noteVerified(id, level: 1, at: ClusterSupply.start)
        #expect(try store.catalogue().sets[0].level == 2)
        try store.noteVerified(id, level: 3, at: ClusterSupply.start, run: ClusterSupply.run)
        #expect(try store.catalogue().sets[0].level == 3)
        #expect(try await store.verify(id, level: 1).reached == 1)
        try sandbox.overwrite("\(id)/verified.json", Array("{".utf8))
        #expect(try store.catalogue().sets[0].level == 2)
    }

    @Test("status is fresh, stale, none, or doubts the clock")
    func status() async throws {
        func status(hours: Int64) throws -> BackupStatus {
            let now = UTCMoment(seconds: ClusterSupply.start.seconds + hours * 3600)
            return BackupStatus(try store.catalogue(), maxAge: .seconds(26 * 3600), now: now)
        }
        #expect(try status(hours: 0).verdict == .none)
        try await ClusterSupply.publish(id, in: store)
        let degraded = BackupResult(.degraded, reasons: ["member m3 is down"])
        try await ClusterSupply.publish(ClusterSupply.id(2, hoursLater: 24), in: store, result: degraded)
        #expect(try status(hours: 26).verdict == .fresh && status(hours: 26).exitCode == .done)
        #expect(try status(hours: 27).verdict == .stale && status(hours: 27).exitCode != .done)
        #expect(try status(hours: -1).verdict == .clockInDoubt)
    }
}
