@testable import BackupStore
import ClusterModel
import Foundation
import Glibc
import Synchronization
import Testing

@Suite("Path safety of the backup store")
struct PathSafetyTests {
    let sandbox: Sandbox

    init() throws { sandbox = try Sandbox() }

    private func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: name, withDestinationPath: target)
    }

    @Test("a symbolic link anywhere on the way is refused by name (I10)", arguments: ["", "backups", "backups/prod"])
    func linkInRoot(_ component: String) throws {
        _ = try sandbox.store()
        let target = sandbox.path + "-elsewhere"
        let place = component.isEmpty ? sandbox.path : sandbox.path + "/" + component
        try FileManager.default.moveItem(atPath: place, toPath: target)
        defer { try? FileManager.default.removeItem(atPath: target) }
        try link(place, to: target)
        let error = #expect(throws: BackupError.self) { try sandbox.store() }
        #expect(error == .unsafePath(place, why: "is a symbolic link"))
        #expect(error?.code == .security)
        try FileManager.default.removeItem(atPath: place)
    }

    @Test(
        "a link planted in the place of a set, a folder, a file or a manifest is never followed (I10)",
        arguments: ["", "/etcd", "/etcd/master1.db", "/manifest.json"]
    )
    func linkInSet(_ part: String) async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: store)
        let place = sandbox.place(id.text) + part
        try FileManager.default.moveItem(atPath: place, toPath: sandbox.path + "/moved")
        try link(place, to: sandbox.path + "/moved")
        let error = await #expect(throws: BackupError.self) { try await store.verify(id, level: 1) }
        #expect(error?.code == .security)
        if part.isEmpty || part == "/manifest.json" {
            let catalogue = try store.catalogue()
            #expect(catalogue.sets.isEmpty && catalogue.problems.map(\.what) == ["is a symbolic link"])
        }
    }

    @Test("staging over planted links writes nothing outside (I10)", arguments: ["etcd", "etcd/master1.db.part"])
    func linkInStaging(_ part: String) throws {
        let staged = try sandbox.store().beginStaging(ClusterSupply.id())
        let outside = sandbox.path + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: false)
        let place = sandbox.place(".staging/\(ClusterSupply.id())/\(part)")
        if part == "etcd" {
            try link(place, to: outside)
        } else {
            _ = try staged.directory.makeSubdirectory("etcd", exclusive: true)
            try link(place, to: outside + "/canary")
        }
        let error = #expect(throws: BackupError.self) { try staged.create(.snapshot(of: ClusterSupply.master1)) }
        #expect(error?.code == .security || error?.code == .refused)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside).isEmpty)
    }

    @Test("removing a tree unlinks a planted link and leaves its target alone")
    func linkInTrash() async throws {
        let store = try sandbox.store()
        let outside = sandbox.path + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: false)
        try Data([1]).write(to: URL(filePath: outside + "/canary"))
        let staged = try store.beginStaging(ClusterSupply.id())
        try link(sandbox.place(".staging/\(ClusterSupply.id())/etcd"), to: outside)
        try staged.discard()
        #expect(try store.catalogue().staging.isEmpty)
        #expect(FileManager.default.fileExists(atPath: outside + "/canary"))
    }

    @Test("a link swapped in and out while sets are verified never leads outside (S8)")
    func linkRace() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: store)
        let etcd = sandbox.place("\(id)/etcd")
        let outside = sandbox.path + "/outside"
        let folder = try Directory.root(at: outside, create: true)
        try folder.writeFile("master1.db", TrailerChecker.snapshot(pages: 4, seed: 99))
        let swapper = Swapper(etcd, outside)
        swapper.start()
        defer { _ = swapper.stop() }
        let reader = SetReader(try store.published(id), id: id, cluster: Sandbox.cluster)
        let (manifest, digest) = try reader.manifest()
        func escaped() throws(BackupError) -> Bool {
            do throws(BackupError) {
                // The set is seen whole or without its folder, but never with the content that lies outside.
                return try reader.findings(manifest, digest, level: 1).contains { $0.what.contains("SHA-256") }
            } catch .unsafePath {
                return false
            } catch .notFound {
                return false
            }
        }
        var escapes = 0
        while swapper.swaps < 2000 { if try escaped() { escapes += 1 } }
        #expect(swapper.stop() > 0)
        #expect(escapes == 0)
    }

    @Test("folders and files open to others are refused with component and mode (I11)")
    func modes() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: store)
        func expect(_ path: String, _ mode: mode_t, _ why: String) async throws {
            let before: mode_t = path.hasSuffix(".db") || path.hasSuffix(".json") ? 0o600 : 0o700
            try #require(unsafe chmod(path, mode) == 0)
            let error = await #expect(throws: BackupError.self) { try await sandbox.store().verify(id, level: 1) }
            #expect(error == .unsafePath(path, why: why))
            try #require(unsafe chmod(path, before) == 0)
        }
        try await expect(sandbox.path, 0o770, "has mode 0770: others could replace what is below it")
        try await expect(sandbox.root, 0o750, "has mode 0750, want 0700")
        try await expect(sandbox.place(id.text), 0o755, "has mode 0755, want 0700")
        try await expect(sandbox.place("\(id)/etcd/master1.db"), 0o640, "has mode 0640, want 0600")
        try await expect(sandbox.place("\(id)/manifest.json"), 0o604, "has mode 0604, want 0600")
        #expect(try await store.verify(id, level: 1).reached == 1)
    }

    @Test("what belongs to another user is refused", .enabled(if: geteuid() == 0))
    func owners() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: store)
        for place in [sandbox.place("\(id)/etcd/master1.db"), sandbox.place(id.text), sandbox.root, sandbox.path] {
            try #require(unsafe chown(place, 12345, 12345) == 0)
            let error = await #expect(throws: BackupError.self) { try await sandbox.store().verify(id, level: 1) }
            #expect(error?.code == .security)
            #expect(error?.message.description.contains("12345") == true)
            try #require(unsafe chown(place, 0, 0) == 0)
        }
        #expect(try await store.verify(id, level: 1).reached == 1)
    }

    @Test("a file with a second name, a pipe, and a device are no backup files")
    func oddFiles() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: store)
        let file = sandbox.place("\(id)/etcd/master1.db")
        try #require(unsafe Glibc.link(file, sandbox.path + "/second") == 0)
        var error = await #expect(throws: BackupError.self) { try await store.verify(id, level: 1) }
        #expect(error == .unsafePath(file, why: "has 2 hard links, want 1"))
        try #require(unsafe unlink(file) == 0)
        try #require(unsafe mkfifo(file, 0o600) == 0)
        error = await #expect(throws: BackupError.self) { try await store.verify(id, level: 1) }
        #expect(error == .unsafePath(file, why: "is not a regular file"))
    }

    @Test(
        "no text but a strict id names a set (I08)",
        arguments: [
            "", ".", "..", "../prod", "/etc/passwd", "20261120T221302Z-9f3a12c", "20261120T221302Z-9f3a12c44",
            "20261120T221302Z-9F3A12C4", "20261320T221302Z-9f3a12c4", "20260231T221302Z-9f3a12c4",
            "20261120T251302Z-9f3a12c4", "20261120T221302Z/9f3a12c4", "20261120T221302Z-9f3a12c4/",
            "２0261120T221302Z-9f3a12c4",
            "20261120T221302Z-9f3a12c\u{0}", String(repeating: "a", count: 300),
        ]
    )
    func ids(_ text: String) {
        #expect(BackupID(text) == nil)
    }

    @Test("an id survives its text, and sorts as its text does")
    func idText() throws {
        var random = SplitMix64(state: 11)
        var previous: BackupID?
        for _ in 0..<200 {
            let moment = UTCMoment(seconds: Int64(random.next() % 4_000_000_000))
            let id = BackupID(moment: moment, random: UInt32(truncatingIfNeeded: random.next()))
            #expect(BackupID(id.text) == id)
            if let previous { #expect((previous < id) == (previous.text < id.text)) }
            previous = id
        }
    }

    @Test(
        "no path but one the store makes names a file of a set (I08)",
        arguments: [
            "etcd/../manifest.json", "/etc/passwd", "etcd/.db", "etcd/-x.db", "etcd/a.tar", "hosts/a.db", "etcd/a/b.db",
            "etcd//a.db", "etcd/a.db/", "other/a.db", "etcd/A.db", "etcd/a\u{0}.db", "etcd/a.db.age", "etcd", "",
            "hosts/" + String(repeating: "a", count: 250) + ".tar",
        ]
    )
    func fileNames(_ path: String) {
        #expect(BackupFileName(path) == nil)
    }

    @Test("a manifest that names files elsewhere is not relied on (I08)")
    func hostileManifest() async throws {
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: store)
        let text = String(decoding: try sandbox.read("\(id)/manifest.json"), as: UTF8.self)
        for path in ["etcd/../../../canary.db", "/etc/passwd", "etcd/other.db.age"] {
            let changed = text.replacing("etcd/master1.db", with: path)
            try sandbox.overwrite("\(id)/manifest.json", Array(changed.utf8))
            let report = try await store.verify(id, level: 1)
            #expect(report.reached == nil)
            #expect(report.findings.summary.contains("names a file that no set has"))
        }
    }
}

/// Swaps a folder with a symbolic link to another place, on a thread of its own, until it is stopped.
private final class Swapper: Sendable {
    private let folder: String
    private let outside: String
    private let state = Mutex((swaps: 0, stopping: false, stopped: false))

    init(_ folder: String, _ outside: String) {
        self.folder = folder
        self.outside = outside
    }

    var swaps: Int { state.withLock { $0.swaps } }

    func start() {
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.stopping }) {
                unsafe rename(folder, folder + "-away")
                unsafe symlink(outside, folder)
                unsafe unlink(folder)
                unsafe rename(folder + "-away", folder)
                state.withLock { $0.swaps += 1 }
            }
            state.withLock { $0.stopped = true }
        }
    }

    /// Ends the thread and returns how often it swapped.
    func stop() -> Int {
        state.withLock { $0.stopping = true }
        while !state.withLock({ $0.stopped }) { sched_yield() }
        return swaps
    }
}
